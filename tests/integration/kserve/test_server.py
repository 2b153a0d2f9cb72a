"""The KServe v2 server, asked with the published messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from google.protobuf import text_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from support.endless_models import build_endless_repository
from support.kserve_served import KServeServed, serving_kserve
from support.subjects import build_repository
from support.toy_models import image_with_points, keypoints_of_points, write_model
from tritonclient.grpc import model_config_pb2, service_pb2

from motioncast.inference import OnnxRuntimeSettings
from motioncast.inference.kserve.settings import SECRET_HEADER
from motioncast.serving import ServerSettings

IMAGE = image_with_points((3, 4), (5, 6))[np.newaxis]
KEYPOINTS = keypoints_of_points((3, 4), (5, 6))[np.newaxis]
SUM = """
sum (uint8[N] bytes, float[N] floats, bool[N] flags, int64[N] wide) => (float[N] total)
{
    b = Cast<to = 1>(bytes)
    f = Cast<to = 1>(flags)
    w = Cast<to = 1>(wide)
    bf = Add(b, f)
    bfw = Add(bf, w)
    total = Add(bfw, floats)
}
"""


@pytest.fixture
async def served(toy_repository: Path) -> AsyncIterator[KServeServed]:
    async with serving_kserve(toy_repository) as served:
        yield served


def request(**changes: Any) -> Any:
    """Returns a ModelInferRequest about IMAGE, with changes to it."""
    fields = {
        "model_name": "toy_keypoint",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": IMAGE.shape}],
        "raw_input_contents": [IMAGE.tobytes()],
    }
    return service_pb2.ModelInferRequest(**{**fields, **changes})


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """Returns the status and the sentence that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), raised.value.details() or ""


async def runs(served: KServeServed, calls: int) -> None:
    """Returns when so many calls run."""
    value = served.server.metrics.registry.get_sample_value
    async with asyncio.timeout(30):
        while value("motioncast_calls_in_flight") != calls:
            await served.stub.ServerLive(service_pb2.ServerLiveRequest())


async def test_the_server_tells_that_it_lives_and_what_it_is(served: KServeServed) -> None:
    assert (await served.stub.ServerLive(service_pb2.ServerLiveRequest())).live
    assert (await served.stub.ServerReady(service_pb2.ServerReadyRequest())).ready
    metadata = await served.stub.ServerMetadata(service_pb2.ServerMetadataRequest())
    assert metadata.name == "motioncast"
    assert "statistics" in metadata.extensions


async def test_a_model_is_described_with_a_free_batch_axis_and_free_lengths(
    served: KServeServed,
) -> None:
    asked = service_pb2.ModelMetadataRequest(name="toy_synthesis")
    metadata = await served.stub.ModelMetadata(asked)
    assert list(metadata.versions) == ["1"]
    assert metadata.platform == "onnxruntime_onnx"
    assert [(each.name, each.datatype, list(each.shape)) for each in metadata.inputs] == [
        ("source_image", "UINT8", [-1, 16, 16, 3]),
        ("source_keypoints", "FP32", [-1, 2, 3]),
        ("driving_keypoints", "FP32", [-1, -1, 2, 3]),
    ]
    assert [(each.name, list(each.shape)) for each in metadata.outputs] == [
        ("image", [-1, -1, 16, 16, 3])
    ]


async def test_a_model_without_a_config_gets_one_from_what_it_takes(served: KServeServed) -> None:
    answer = await served.stub.ModelConfig(service_pb2.ModelConfigRequest(name="toy_keypoint"))
    expected = """
        name: "toy_keypoint" backend: "onnxruntime" max_batch_size: 64
        version_policy { latest { num_versions: 1 } }
        input { name: "image" data_type: TYPE_UINT8 dims: [16, 16, 3] }
        output { name: "keypoints" data_type: TYPE_FP32 dims: [2, 3] }
        instance_group { count: 1 kind: KIND_CPU }
    """
    assert answer.config == text_format.Parse(expected, model_config_pb2.ModelConfig())


async def test_the_config_of_the_repository_is_what_is_told_and_holds(tmp_path: Path) -> None:
    write_model(tmp_path, "sum", SUM)
    (tmp_path / "sum" / "config.pbtxt").write_text('name: "sum" max_batch_size: 2')
    async with serving_kserve(tmp_path) as served:
        answer = await served.stub.ModelConfig(service_pb2.ModelConfigRequest(name="sum"))
        assert answer.config.max_batch_size == 2
        inputs = [{"name": "bytes", "datatype": "UINT8", "shape": [3]}]
        too_many = request(model_name="sum", inputs=inputs, raw_input_contents=[b"abc"])
        assert await refusal(served.stub.ModelInfer(too_many)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "bytes: a batch of 3, but the model takes at most 2",
        )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("max_batch_size: many", "sum/config.pbtxt does not describe a model"),
        ('name: "product"', "sum/config.pbtxt describes a model named product"),
    ],
)
async def test_a_model_with_a_config_that_cannot_be_read_is_not_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, problem: str
) -> None:
    write_model(tmp_path, "sum", SUM)
    (tmp_path / "sum" / "config.pbtxt").write_text(text)
    async with serving_kserve(tmp_path) as served:
        ready = await served.stub.ModelReady(service_pb2.ModelReadyRequest(name="sum"))
        assert not ready.ready
        sentence = "sum/config.pbtxt cannot be read; the log says why"
        index = await served.stub.RepositoryIndex(service_pb2.RepositoryIndexRequest())
        assert [(each.state, each.reason) for each in index.models] == [("UNAVAILABLE", sentence)]
        status, told = await refusal(served.stub.ModelInfer(request(model_name="sum")))
        assert status is grpc.StatusCode.UNAVAILABLE
        assert sentence in told
        assert problem in caplog.text
        (tmp_path / "sum" / "config.pbtxt").unlink()
        await served.stub.RepositoryModelLoad(
            service_pb2.RepositoryModelLoadRequest(model_name="sum")
        )
        ready = await served.stub.ModelReady(service_pb2.ModelReadyRequest(name="sum"))
        assert ready.ready


async def test_a_run_answers_raw_with_the_id_that_was_given(served: KServeServed) -> None:
    response = await served.stub.ModelInfer(request(id="7b"))
    assert (response.model_name, response.model_version) == ("toy_keypoint", "1")
    assert response.id == "7b"
    [output] = response.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("keypoints", "FP32", [1, 2, 3])
    [raw] = response.raw_output_contents
    np.testing.assert_allclose(np.frombuffer(raw, "<f4").reshape(1, 2, 3), KEYPOINTS, atol=1e-6)
    assert response.parameters["motioncast_run_ns"].int64_param > 0


async def test_inputs_may_come_as_typed_contents(tmp_path: Path) -> None:
    write_model(tmp_path, "sum", SUM)
    inputs: list[dict[str, Any]] = [
        {"name": "bytes", "datatype": "UINT8", "contents": {"uint_contents": [1, 255]}},
        {"name": "floats", "datatype": "FP32", "contents": {"fp32_contents": [0.5, -1]}},
        {"name": "flags", "datatype": "BOOL", "contents": {"bool_contents": [True, False]}},
        {"name": "wide", "datatype": "INT64", "contents": {"int64_contents": [-3, 10]}},
    ]
    for each in inputs:
        each["shape"] = [2]
    async with serving_kserve(tmp_path) as served:
        response = await served.stub.ModelInfer(
            service_pb2.ModelInferRequest(model_name="sum", inputs=inputs)
        )
    assert np.frombuffer(response.raw_output_contents[0], "<f4").tolist() == [-0.5, 264]


async def test_only_the_outputs_asked_for_are_answered_in_their_order(
    served: KServeServed,
) -> None:
    inputs = {
        "keypoints": np.full((1, 2, 2, 3), 0.5, np.float32),
        "observed": np.ones((1, 2), np.float32),
        "noise": np.zeros((1, 2, 2), np.float32),
        "state": np.zeros((1, 13), np.float32),
    }
    asked = request(
        model_name="toy_predictor",
        inputs=[
            {"name": name, "datatype": "FP32", "shape": array.shape}
            for name, array in inputs.items()
        ],
        raw_input_contents=[array.tobytes() for array in inputs.values()],
        outputs=[{"name": "next_state"}, {"name": "forecast"}],
    )
    response = await served.stub.ModelInfer(asked)
    assert [output.name for output in response.outputs] == ["next_state", "forecast"]
    assert len(response.raw_output_contents) == 2
    asked.outputs.add(name="future")
    status, told = await refusal(served.stub.ModelInfer(asked))
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert told.startswith("outputs: the model toy_predictor has no output future; it has ")


_CONTENTS = {"contents": {"uint_contents": [1] * 768}}
_TENSOR = {"name": "image", "datatype": "UINT8", "shape": [1, 16, 16, 3]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"inputs": [{**_TENSOR, "datatype": "BYTES"}]},
            "image: type BYTES, which no model here takes",
        ),
        (
            {"inputs": [{**_TENSOR, "datatype": ""}]},
            "image: type missing, which no model here takes",
        ),
        (
            {"inputs": [{**_TENSOR, "shape": [2, 16, 16, 3]}]},
            "image: 768 bytes, but shape [2, 16, 16, 3] of UINT8 takes 1536",
        ),
        (
            {"inputs": [{**_TENSOR, "shape": [-1, 16, 16, -3]}]},
            "image: shape [-1, 16, 16, -3] has a negative length",
        ),
        (
            {"inputs": [{**_TENSOR, "shape": [0, 2**62, 4]}], "raw_input_contents": [b""]},
            f"image: no array has shape [0, {2**62}, 4]",
        ),
        (
            {"inputs": [{**_TENSOR, "shape": [1, 768]}]},
            "image: shape [1, 768], but the model takes [B, 16, 16, 3]",
        ),
        (
            {"inputs": [{**_TENSOR, "datatype": "INT8"}]},
            "image: type int8, but the model takes uint8",
        ),
        ({"inputs": [_TENSOR, _TENSOR]}, "image: given twice"),
        ({"inputs": [{**_TENSOR, **_CONTENTS}]}, "image: given by type and raw as well"),
        (
            {"inputs": [{**_TENSOR, "name": "picture"}]},
            "picture: the model toy_keypoint takes image",
        ),
        (
            {"raw_input_contents": [IMAGE.tobytes()] * 2},
            "raw_input_contents: 2 of them for 1 tensors",
        ),
        (
            {"raw_input_contents": []},
            "image: 0 in uint_contents, but shape [1, 16, 16, 3] takes 768",
        ),
        (
            {
                "inputs": [{**_TENSOR, "contents": {"uint_contents": [256] * 768}}],
                "raw_input_contents": [],
            },
            "image: UINT8 is within 0 to 255, which not all are",
        ),
        (
            {"inputs": [{**_TENSOR, "datatype": "FP16"}], "raw_input_contents": []},
            "image: FP16 can be given raw only",
        ),
        ({"inputs": [], "raw_input_contents": []}, "image: missing; the model toy_keypoint takes"),
        ({"model_version": "one"}, "version: 'one' is not a number"),
        (
            {"outputs": [{"name": "keypoints", "parameters": {"classification": {}}}]},
            "outputs: classification is not supported",
        ),
    ],
)
async def test_a_wrong_request_is_refused_in_words(
    served: KServeServed, changes: dict[str, Any], sentence: str
) -> None:
    status, told = await refusal(served.stub.ModelInfer(request(**changes)))
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert told.startswith(sentence)


async def test_an_unknown_model_or_version_is_not_found(served: KServeServed) -> None:
    for changes in ({"model_name": "toy"}, {"model_version": "2"}):
        status, told = await refusal(served.stub.ModelInfer(request(**changes)))
        assert status is grpc.StatusCode.NOT_FOUND
        assert told.startswith("model: toy")
    asked = service_pb2.ModelReadyRequest(name="toy_keypoint", version="1")
    assert (await served.stub.ModelReady(asked)).ready
    for name, version in (("toy", ""), ("toy_keypoint", "2")):
        asked = service_pb2.ModelReadyRequest(name=name, version=version)
        assert not (await served.stub.ModelReady(asked)).ready


async def test_statistics_count_inferences_executions_and_failures(served: KServeServed) -> None:
    batch = np.repeat(IMAGE, 3, axis=0)
    three = {"name": "image", "datatype": "UINT8", "shape": batch.shape}
    for _ in range(2):
        await served.stub.ModelInfer(request())
    await served.stub.ModelInfer(request(inputs=[three], raw_input_contents=[batch.tobytes()]))
    await refusal(served.stub.ModelInfer(request(inputs=[])))
    asked = service_pb2.ModelStatisticsRequest(name="toy_keypoint")
    [told] = (await served.stub.ModelStatistics(asked)).model_stats
    assert (told.name, told.version) == ("toy_keypoint", "1")
    assert (told.inference_count, told.execution_count) == (5, 3)
    stats = told.inference_stats
    assert (stats.success.count, stats.fail.count, stats.queue.count) == (3, 1, 3)
    compute = (stats.compute_input, stats.compute_infer, stats.compute_output)
    parts = stats.queue.ns + sum(part.ns for part in compute)
    assert 0 < stats.compute_infer.ns < stats.success.ns == parts
    assert [(batch.batch_size, batch.compute_infer.count) for batch in told.batch_stats] == [
        (1, 2),
        (3, 1),
    ]
    every = await served.stub.ModelStatistics(service_pb2.ModelStatisticsRequest())
    assert [each.name for each in every.model_stats] == [
        "toy_keypoint",
        "toy_predictor",
        "toy_synthesis",
    ]


async def test_the_models_of_an_ensemble_are_counted_with_it(tmp_path: Path) -> None:
    await build_repository(tmp_path)
    x = np.ones((3, 2), np.float32)
    inputs = [{"name": "x", "datatype": "FP32", "shape": x.shape}]
    async with serving_kserve(tmp_path) as served:
        metadata = await served.stub.ModelMetadata(service_pb2.ModelMetadataRequest(name="four"))
        assert metadata.platform == "ensemble"
        asked = request(model_name="four", inputs=inputs, raw_input_contents=[x.tobytes()])
        response = await served.stub.ModelInfer(asked)
        assert np.frombuffer(response.raw_output_contents[0], "<f4").tolist() == [4] * 6
        [four], [double] = [
            (
                await served.stub.ModelStatistics(service_pb2.ModelStatisticsRequest(name=name))
            ).model_stats
            for name in ("four", "double")
        ]
    assert (four.inference_count, four.execution_count) == (3, 1)
    assert (double.inference_count, double.execution_count) == (6, 2)
    infer = [each.inference_stats.compute_infer for each in (four, double)]
    assert 0 < infer[1].ns == pytest.approx(infer[0].ns, abs=2)


async def test_the_index_tells_of_every_model_and_of_those_that_are_ready(tmp_path: Path) -> None:
    write_model(tmp_path, "sum", SUM)
    folder = tmp_path / "torn" / "3"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"torn")
    async with serving_kserve(tmp_path) as served:
        index = await served.stub.RepositoryIndex(service_pb2.RepositoryIndexRequest())
        assert [(each.name, each.version, each.state) for each in index.models] == [
            ("sum", "1", "READY"),
            ("torn", "3", "UNAVAILABLE"),
        ]
        ready = await served.stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(ready=True))
        assert [each.name for each in ready.models] == ["sum"]
        status, told = await refusal(served.stub.ModelInfer(request(model_name="torn")))
    assert status is grpc.StatusCode.UNAVAILABLE
    assert str(tmp_path) not in told


async def test_a_model_that_cannot_be_loaded_is_told_without_the_servers_files(
    tmp_path: Path,
) -> None:
    write_model(tmp_path, "sum", SUM)
    async with serving_kserve(tmp_path) as served:
        (tmp_path / "sum" / "2").mkdir()
        (tmp_path / "sum" / "2" / "model.onnx").write_bytes(b"torn")
        load = service_pb2.RepositoryModelLoadRequest(model_name="sum")
        assert await refusal(served.stub.RepositoryModelLoad(load)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "model: sum cannot be loaded; the log says why",
        )
        assert (await served.stub.ModelReady(service_pb2.ModelReadyRequest(name="sum"))).ready
        load.parameters["config"].string_param = "{}"
        status, told = await refusal(served.stub.RepositoryModelLoad(load))
        assert status is grpc.StatusCode.INVALID_ARGUMENT
        assert told.startswith("parameters: ")


async def test_a_model_is_unloaded_and_loaded_again(tmp_path: Path) -> None:
    write_model(tmp_path, "sum", SUM)
    ready = service_pb2.ModelReadyRequest(name="sum")
    async with serving_kserve(tmp_path) as served:
        await served.stub.RepositoryModelUnload(
            service_pb2.RepositoryModelUnloadRequest(model_name="sum")
        )
        assert not (await served.stub.ModelReady(ready)).ready
        status, _ = await refusal(served.stub.ModelInfer(request(model_name="sum")))
        assert status is grpc.StatusCode.UNAVAILABLE
        load = service_pb2.RepositoryModelLoadRequest(model_name="sum")
        await served.stub.RepositoryModelLoad(load)
        assert (await served.stub.ModelReady(ready)).ready


async def test_what_the_server_has_not_is_unimplemented(served: KServeServed) -> None:
    asked = service_pb2.TraceSettingRequest()
    assert await refusal(served.stub.TraceSetting(asked)) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "inference.GRPCInferenceService/TraceSetting is not served here",
    )


async def test_a_deadline_or_a_cancellation_ends_the_run(tmp_path: Path) -> None:
    one = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=1)
    repository = build_endless_repository(tmp_path)
    async with serving_kserve(repository, engine_settings=one) as served:
        status, _ = await refusal(served.stub.ModelInfer(request(), timeout=0.3))
        assert status is grpc.StatusCode.DEADLINE_EXCEEDED
        call = served.stub.ModelInfer(request())
        await runs(served, 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        state = np.zeros((1, 13), np.float32)
        inputs = {"observed": state[:, :1], "noise": state[:, None, :2], "state": state}
        inputs["keypoints"] = np.zeros((1, 1, 2, 3), np.float32)
        # There is one thread: this run has it only if the endless ones were ended.
        await served.engine.infer("toy_predictor", inputs)


async def test_draining_is_told_and_refuses_runs_with_a_hint(tmp_path: Path) -> None:
    one = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=1)
    settings = ServerSettings(drain_grace_seconds=30)
    repository = build_endless_repository(tmp_path)
    async with serving_kserve(repository, settings, one) as served:
        running = served.stub.ModelInfer(request())
        await runs(served, 1)
        draining = asyncio.ensure_future(served.server.drain())
        await asyncio.sleep(0)
        ready = await served.stub.ServerReady(service_pb2.ServerReadyRequest())
        assert not ready.ready
        refused = served.stub.ModelInfer(request())
        status, _ = await refusal(refused)
        assert status is grpc.StatusCode.UNAVAILABLE
        details = await rpc_status.aio.from_call(refused)
        assert details is not None
        retry = error_details_pb2.RetryInfo()
        assert any(each.Unpack(retry) for each in details.details)
        assert retry.retry_delay.ToSeconds() == 1
        running.cancel()
        await draining


async def test_a_secret_is_asked_of_who_loads_models_or_shares_memory(tmp_path: Path) -> None:
    write_model(tmp_path, "sum", SUM)
    load = service_pb2.RepositoryModelLoadRequest(model_name="sum")
    unload = service_pb2.RepositoryModelUnloadRequest(model_name="sum")
    everything = service_pb2.SystemSharedMemoryUnregisterRequest()
    status = service_pb2.SystemSharedMemoryStatusRequest()
    async with serving_kserve(tmp_path, secret="known-to-some-of-us") as served:
        stub = served.stub
        for method, request in (
            (stub.RepositoryModelLoad, load),
            (stub.RepositoryModelUnload, unload),
            (stub.SystemSharedMemoryUnregister, everything),
            (stub.SystemSharedMemoryStatus, status),
        ):
            for secret in (None, "known-to-others"):
                metadata = ((SECRET_HEADER, secret),) if secret else ()
                code, told = await refusal(method(request, metadata=metadata))
                assert code == grpc.StatusCode.INVALID_ARGUMENT
                assert "this protocol is restricted" in told
            await method(request, metadata=((SECRET_HEADER, "known-to-some-of-us"),))
