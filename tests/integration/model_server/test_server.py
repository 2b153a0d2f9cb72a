"""The KServe v2 server's metadata about itself and its models."""

from __future__ import annotations

from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from support.kserve_requests import IMAGE, SUM, refusal, request
from support.kserve_server import KServeServed, serving_kserve
from support.subjects import build_repository
from support.toy_models import write_model
from tritonclient.grpc import model_config_pb2, service_pb2


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
        sentence = "sum/config.pbtxt cannot be read; see the log"
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
