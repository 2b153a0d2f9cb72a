"""The in-process engine, on real models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from support.endless_models import build_endless_repository
from support.toy_models import image_with_points, keypoints_of_points, write_model

from motioncast.inference import (
    Inference,
    MeasuredEngine,
    OnnxRuntimeEngine,
    OnnxRuntimeSettings,
    TensorMetadata,
)
from motioncast.wire.errors import (
    DeadlineError,
    InvalidInputError,
    UnavailableError,
    UnknownModelError,
)

_ONE_THREAD = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=1)
_PREDICTOR_INPUTS = {
    "keypoints": np.full((1, 3, 2, 3), 0.5, np.float32),
    "observed": np.array([[1, 0, 0]], np.float32),
    "noise": np.zeros((1, 3, 2), np.float32),
    "state": np.zeros((1, 13), np.float32),
}


@pytest.fixture
async def engine(toy_repository: Path) -> AsyncIterator[OnnxRuntimeEngine]:
    async with OnnxRuntimeEngine(toy_repository) as engine:
        yield engine


@pytest.fixture
async def endless(tmp_path: Path) -> AsyncIterator[OnnxRuntimeEngine]:
    """An engine with one thread and a detector that never finishes."""
    async with OnnxRuntimeEngine(build_endless_repository(tmp_path), _ONE_THREAD) as engine:
        yield engine


def point_image(n: int) -> Any:
    """Returns an image (1, H, W, 3) unique to n."""
    return image_with_points((n % 16, n // 16), (3, 4))[np.newaxis]


async def test_models_are_described_with_names_types_and_shapes(engine: OnnxRuntimeEngine) -> None:
    assert engine.models() == ("toy_keypoint", "toy_predictor", "toy_synthesis")
    metadata = engine.metadata("toy_synthesis")
    assert metadata.inputs == (
        TensorMetadata("source_image", np.dtype(np.uint8), ("B", 16, 16, 3)),
        TensorMetadata("source_keypoints", np.dtype(np.float32), ("B", 2, 3)),
        TensorMetadata("driving_keypoints", np.dtype(np.float32), ("B", "T", 2, 3)),
    )
    assert metadata.outputs == (TensorMetadata("image", np.dtype(np.uint8), ("B", "T", 16, 16, 3)),)


async def test_many_runs_at_once_each_get_their_own_answer(engine: OnnxRuntimeEngine) -> None:
    runs = await asyncio.gather(
        *(engine.infer("toy_keypoint", {"image": point_image(n)}) for n in range(200))
    )
    for n, run in enumerate(runs):
        expected = keypoints_of_points((n % 16, n // 16), (3, 4))
        np.testing.assert_allclose(run["keypoints"][0], expected, atol=1e-6)
        assert run.seconds > 0


async def test_a_model_without_names_for_its_axes_takes_any_length(tmp_path: Path) -> None:
    write_model(
        tmp_path, "sum", "sum (float[N, ?] x) => (float s) { s = ReduceSum<keepdims=0>(x) }"
    )
    async with OnnxRuntimeEngine(tmp_path) as engine:
        assert engine.metadata("sum").inputs[0].shape == ("N", "x_axis1")
        run = await engine.infer("sum", {"x": np.ones((2, 3), np.float32)})
    assert run["s"] == 6


async def test_the_highest_version_is_served(tmp_path: Path) -> None:
    for version in (2, 10, 9):
        text = f"""v (float[N] x) => (float[N] y)
            {{ w = Constant<value = float {{{version}}}>() y = Mul(x, w) }}"""
        write_model(tmp_path, "v", text, version)
    async with OnnxRuntimeEngine(tmp_path) as engine:
        run = await engine.infer("v", {"x": np.ones(1, np.float32)})
    assert run["y"] == [10]


async def test_an_unknown_model_is_told_with_those_that_are_there(
    engine: OnnxRuntimeEngine,
) -> None:
    sentence = r"^model: toy is not in the repository; available: toy_keypoint, toy_predictor, "
    with pytest.raises(UnknownModelError, match=sentence):
        await engine.infer("toy", {})
    with pytest.raises(UnknownModelError, match=sentence):
        engine.metadata("toy")


async def test_a_wrong_input_is_refused_in_words_before_the_run(engine: OnnxRuntimeEngine) -> None:
    wrong = {**_PREDICTOR_INPUTS, "keypoints": np.zeros((1, 3, 2, 2), np.float32)}
    sentence = r"^keypoints: shape \[1, 3, 2, 2\], but the model takes \[B, T, 2, 3\]$"
    with pytest.raises(InvalidInputError, match=sentence):
        await engine.infer("toy_predictor", wrong)


async def test_values_that_a_model_cannot_take_are_refused_in_words(tmp_path: Path) -> None:
    write_model(
        tmp_path, "pick", "p (float[N] x, int64[M] at) => (float[M] y) { y = Gather(x, at) }"
    )
    x = np.array([1, 2], np.float32)
    async with OnnxRuntimeEngine(tmp_path) as engine:
        with pytest.raises(InvalidInputError, match=r"^inputs: the model pick cannot run on"):
            await engine.infer("pick", {"x": x, "at": np.array([2])})
        run = await engine.infer("pick", {"x": x, "at": np.array([1])})
    assert run["y"] == [2]


async def test_a_broken_model_file_is_named_at_the_start(
    toy_repository: Path, tmp_path: Path
) -> None:
    good = (toy_repository / "toy_keypoint" / "1" / "model.onnx").read_bytes()
    file = tmp_path / "torn_keypoint" / "1" / "model.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(good[: len(good) // 2])
    with pytest.raises(InvalidInputError, match=r"torn_keypoint/1/model\.onnx is not a ") as got:
        async with OnnxRuntimeEngine(tmp_path):
            pass
    assert got.value.field == "repository"


async def test_a_model_with_a_type_that_no_array_has_is_named_at_the_start(tmp_path: Path) -> None:
    write_model(tmp_path, "words", "words (string[N] x) => (string[N] y) { y = Identity(x) }")
    sentence = r"^repository: x of the model words has the unsupported type tensor\(string\)$"
    with pytest.raises(InvalidInputError, match=sentence):
        async with OnnxRuntimeEngine(tmp_path):
            pass


async def test_an_engine_is_ready_from_entering_its_block_to_leaving_it(
    toy_repository: Path,
) -> None:
    engine = OnnxRuntimeEngine(toy_repository)
    assert not await engine.ready()
    async with engine:
        assert await engine.ready()
    assert not await engine.ready()
    with pytest.raises(UnavailableError, match=r"^engine: not open$"):
        await engine.infer("toy_keypoint", {"image": point_image(0)})


async def test_a_run_that_is_cancelled_gives_its_thread_to_the_next(
    endless: OnnxRuntimeEngine,
) -> None:
    measured = MeasuredEngine(endless, CollectorRegistry())
    with pytest.raises(DeadlineError, match=r"^deadline: passed while toy_keypoint ran"):
        await measured.infer("toy_keypoint", {"image": point_image(0)}, timeout_seconds=0.2)
    run = await endless.infer("toy_predictor", _PREDICTOR_INPUTS)
    np.testing.assert_array_equal(run["forecast"][0, :, 0, 0], [0, 0.5, 0.5])


async def test_a_run_that_waits_and_is_cancelled_is_never_begun(
    endless: OnnxRuntimeEngine,
) -> None:
    runs = [
        asyncio.ensure_future(endless.infer("toy_keypoint", {"image": point_image(n)}))
        for n in range(20)
    ]
    last = asyncio.ensure_future(endless.infer("toy_predictor", _PREDICTOR_INPUTS))
    await asyncio.sleep(0)  # now one runs and the others wait
    assert not any(run.done() for run in (*runs, last))
    for run in reversed(runs):
        run.cancel()
    await last
    assert all(run.cancelled() for run in runs)


async def test_leaving_the_block_ends_what_runs_and_refuses_what_waits(
    toy_repository: Path,
) -> None:
    async with OnnxRuntimeEngine(toy_repository, _ONE_THREAD) as engine:
        runs = [
            asyncio.ensure_future(engine.infer("toy_keypoint", {"image": point_image(n)}))
            for n in range(50)
        ]
        await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
    results = await asyncio.gather(*runs, return_exceptions=True)
    assert isinstance(results[0], Inference)
    for result in results:
        assert isinstance(result, Inference | UnavailableError)


async def test_a_deadline_that_has_passed_runs_nothing(endless: OnnxRuntimeEngine) -> None:
    measured = MeasuredEngine(endless, CollectorRegistry())
    with pytest.raises(DeadlineError, match=r"^deadline: passed before toy_keypoint was run$"):
        await measured.infer("toy_keypoint", {"image": point_image(0)}, timeout_seconds=0)


async def test_runs_are_timed_by_model_even_by_two_services_of_one_registry(
    engine: OnnxRuntimeEngine,
) -> None:
    registry = CollectorRegistry()
    first, second = MeasuredEngine(engine, registry), MeasuredEngine(engine, registry)
    seconds = 0.0
    for measured in (first, second, first):
        run = await measured.infer("toy_keypoint", {"image": point_image(0)}, timeout_seconds=None)
        seconds += run.seconds
    labels = {"model": "toy_keypoint"}
    assert registry.get_sample_value("motioncast_inference_seconds_count", labels) == 3
    total = registry.get_sample_value("motioncast_inference_seconds_sum", labels)
    assert total == pytest.approx(seconds)


def test_settings_need_at_least_one_of_each() -> None:
    with pytest.raises(InvalidInputError, match=r"^intra_op_threads: 0 is less than 1$"):
        OnnxRuntimeSettings(intra_op_threads=0)
    with pytest.raises(InvalidInputError, match=r"^max_concurrent_runs: -1 is less than 1$"):
        OnnxRuntimeSettings(max_concurrent_runs=-1)
