"""The engine whose models run on a server: connections, retries, errors and limits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from support.endless_models import build_endless_repository
from support.kserve_server import serving_kserve
from support.scripted_server import echo, failing, serving_script
from support.toy_models import image_with_points, write_model

from motioncast.inference import OnnxRuntimeSettings, TensorMetadata
from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.serving import Context
from motioncast.wire.errors import (
    DeadlineError,
    DomainError,
    ExhaustedError,
    InvalidInputError,
    UnavailableError,
    UnknownModelError,
)

IMAGE = {"image": image_with_points((3, 4), (5, 6))[np.newaxis]}
X = {"x": np.array([1, 2, 3], np.float32)}
NOWHERE = "127.0.0.1:1"  # a port without a listener


async def test_models_are_described_as_the_server_has_them(toy_repository: Path) -> None:
    async with serving_kserve(toy_repository) as served, KServeEngine(served.settings) as engine:
        assert engine.models() == ("toy_keypoint", "toy_predictor", "toy_synthesis")
        metadata = engine.metadata("toy_synthesis")
    floats = np.dtype(np.float32)
    assert metadata.inputs == (
        TensorMetadata("source_image", np.dtype(np.uint8), ("batch", 16, 16, 3)),
        TensorMetadata("source_keypoints", floats, ("batch", 2, 3)),
        TensorMetadata("driving_keypoints", floats, ("batch", "driving_keypoints_axis1", 2, 3)),
    )


async def test_the_seconds_are_those_of_the_run_where_the_server_tells(
    toy_repository: Path,
) -> None:
    async with serving_kserve(toy_repository) as served, KServeEngine(served.settings) as engine:
        run = await engine.infer("toy_keypoint", IMAGE)
        registry = served.server.metrics.registry
    seconds = registry.get_sample_value(
        "motioncast_inference_seconds_sum", {"model": "toy_keypoint"}
    )
    assert run.seconds == pytest.approx(seconds, abs=1e-9)


async def test_a_version_that_takes_something_else_is_noticed(tmp_path: Path) -> None:
    write_model(
        tmp_path, "sum", "sum (float[N, 2] x) => (float s) { s = ReduceSum<keepdims = 0>(x) }"
    )
    one, two = np.ones((1, 3), np.float32), np.ones((1, 2), np.float32)
    async with serving_kserve(tmp_path) as served, KServeEngine(served.settings) as engine:
        with pytest.raises(InvalidInputError):
            await engine.infer("sum", {"x": one})
        write_model(
            tmp_path,
            "sum",
            "sum (float[N, 3] x) => (float s) { s = ReduceSum<keepdims = 0>(x) }",
            2,
        )
        await served.engine.load("sum")
        assert (await engine.infer("sum", {"x": one}))["s"] == 3
        with pytest.raises(InvalidInputError, match=r"^x: shape \[1, 2\], but the model takes "):
            await engine.infer("sum", {"x": two})


async def test_a_model_that_is_added_is_found_and_readiness_asks_for_those_at_the_start(
    tmp_path: Path,
) -> None:
    text = "sum (float[N] x) => (float s) { s = ReduceSum<keepdims = 0>(x) }"
    write_model(tmp_path, "first", text)
    async with serving_kserve(tmp_path) as served, KServeEngine(served.settings) as engine:
        write_model(tmp_path, "second", text)
        with pytest.raises(UnknownModelError, match=r"^model: second is not in the repository"):
            await engine.infer("second", X)
        await served.engine.load("second")
        assert (await engine.infer("second", X))["s"] == 6
        await served.engine.unload("second")
        assert await engine.ready()
        assert engine.models() == ("first",)
        with pytest.raises(UnknownModelError, match=r"available: first$"):
            engine.metadata("second")
        await served.engine.unload("first")
        assert not await engine.ready()


async def test_a_batch_over_the_models_limit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    write_model(tmp_path, "same", "same (float[N, 1] x) => (float[N, 1] y) { y = Identity(x) }")
    (tmp_path / "same" / "config.pbtxt").write_text("max_batch_size: 2")
    async with serving_kserve(tmp_path) as served, KServeEngine(served.settings) as engine:
        await engine.infer("same", {"x": np.ones((2, 1), np.float32)})
        sentence = r"^x: a batch of 3, but the model takes at most 2$"
        with pytest.raises(InvalidInputError, match=sentence):
            await engine.infer("same", {"x": np.ones((3, 1), np.float32)})
        value = served.server.metrics.registry.get_sample_value
        assert value("motioncast_inference_seconds_count", {"model": "same"}) == 1


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (700, r"the inputs of toy_synthesis \(\d+ bytes\) exceed the limit of 700$"),
        (2000, r"the outputs of toy_synthesis \(\d+ bytes\) exceed the limit of 2000$"),
        # gRPC's limit: twice that
        (1000, r"the inputs or outputs of toy_synthesis exceed the message size limit of "),
    ],
)
async def test_messages_over_the_limit_are_told_by_direction(
    toy_repository: Path, limit: int, told: str
) -> None:
    inputs: dict[str, NDArray[Any]] = {
        "source_image": IMAGE["image"],
        "source_keypoints": np.zeros((1, 2, 3), np.float32),
        "driving_keypoints": np.zeros((1, 3, 2, 3), np.float32),  # 3 frames take 2304 bytes
    }
    async with serving_kserve(toy_repository) as served:
        settings = KServeSettings(served.server.address, max_message_bytes=limit)
        async with KServeEngine(settings) as engine:
            with pytest.raises(ExhaustedError, match=rf"^message: {told}"):
                await engine.infer("toy_synthesis", inputs)


async def test_leaving_the_block_refuses_what_runs(tmp_path: Path) -> None:
    one = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=1)
    repository = build_endless_repository(tmp_path)
    async with serving_kserve(repository, engine_settings=one) as served:
        async with KServeEngine(served.settings) as engine:
            run = asyncio.ensure_future(engine.infer("toy_keypoint", IMAGE))
            value = served.server.metrics.registry.get_sample_value
            while not value("motioncast_calls_in_flight"):
                await engine.ready()
        with pytest.raises(UnavailableError, match=r"^engine: closed before the run ended$"):
            await run
        with pytest.raises(UnavailableError, match=r"^engine: not open$"):
            await engine.infer("toy_keypoint", IMAGE)
        assert not await engine.ready()


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidInputError, "inputs: the model server at "),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineError, "deadline: passed while the model "),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            ExhaustedError,
            "message: the inputs or outputs of echo",
        ),
        (grpc.StatusCode.UNIMPLEMENTED, UnavailableError, "the model server at "),
    ],
)
async def test_what_a_server_says_of_itself_is_not_passed_on(
    code: grpc.StatusCode, kind: type[DomainError], told: str
) -> None:
    leak = "File /srv/backends/model.py, line 7, in execute"
    async with (
        serving_script(failing(code, leak)) as address,
        KServeEngine(KServeSettings(address)) as engine,
    ):
        with pytest.raises(kind) as raised:
            await engine.infer("echo", X)
    assert str(raised.value).startswith(told)
    assert "/srv" not in str(raised.value)


async def test_what_nobody_foresaw_is_no_answer_for_the_caller() -> None:
    async with (
        serving_script(failing(grpc.StatusCode.INTERNAL, "onnx runtime error 2")) as address,
        KServeEngine(KServeSettings(address)) as engine,
    ):
        with pytest.raises(RuntimeError, match="INTERNAL onnx runtime error 2") as raised:
            await engine.infer("echo", X)
    assert not isinstance(raised.value, DomainError)


async def test_an_answer_that_makes_no_sense_is_not_the_callers_fault() -> None:
    async def torn(request: Any, context: Context) -> Any:
        response = await echo(request, context)
        response.raw_output_contents[0] = b"torn"
        return response

    async with serving_script(torn) as address, KServeEngine(KServeSettings(address)) as engine:
        with pytest.raises(RuntimeError, match=r"response for echo is invalid: y: 4 bytes, but "):
            await engine.infer("echo", X)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"address": "localhost"}, "address: 'localhost' is not HOST:PORT"),
        ({"client_key": Path("k")}, "client_certificate: a client certificate and its key must"),
        ({"max_message_bytes": 0}, "max_message_bytes: 0 is below 1"),
        ({"connect_seconds": -1}, "connect_seconds: -1 is less than 0"),
        ({"retry_seconds": float("nan")}, "retry_seconds: nan is less than 0"),
        ({"keepalive_seconds": 0}, "keepalive_seconds: 0 is not above 0"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^{sentence}"):
        KServeSettings(**{"address": "localhost:8001", **values})


async def test_a_file_of_certificates_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = KServeSettings(NOWHERE, root_certificates=tmp_path / "none.pem")
    with pytest.raises(InvalidInputError, match=r"^root_certificates: .*none\.pem cannot be read"):
        await KServeEngine(settings).__aenter__()
