"""Models are added, updated and removed while the engine runs."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from support.endless_models import build_endless_repository
from support.toy_models import image_with_points, write_model

from motioncast.inference import ModelState, OnnxRuntimeEngine, OnnxRuntimeSettings
from motioncast.wire.errors import InvalidInputError, UnavailableError, UnknownModelError

ONES = {"x": np.ones(1, np.float32)}


def write_version(root: Path, version: int, name: str = "times") -> None:
    """Writes a model that multiplies by its version number."""
    text = f"""times (float[N] x) => (float[N] y)
        {{ w = Constant<value = float {{{version}}}>() y = Mul(x, w) }}"""
    write_model(root, name, text, version)


def break_version(root: Path, version: int, name: str = "times") -> None:
    folder = root / name / str(version)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"torn")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[OnnxRuntimeEngine]:
    write_version(tmp_path, 1)
    async with OnnxRuntimeEngine(tmp_path) as engine:
        yield engine


async def product(engine: OnnxRuntimeEngine, model: str = "times") -> float:
    return float((await engine.infer(model, ONES))["y"][0])


async def test_a_new_version_is_served_once_it_is_loaded(
    engine: OnnxRuntimeEngine, tmp_path: Path
) -> None:
    write_version(tmp_path, 2)
    assert await product(engine) == 1
    await engine.load("times")
    assert await product(engine) == 2
    assert engine.states() == (ModelState("times", 2, True),)


async def test_a_version_that_was_taken_away_gives_way_to_the_one_before(
    engine: OnnxRuntimeEngine, tmp_path: Path
) -> None:
    write_version(tmp_path, 2)
    await engine.load("times")
    shutil.rmtree(tmp_path / "times" / "2")
    await engine.load("times")
    assert await product(engine) == 1


async def test_versions_loaded_under_load_fail_no_request(
    engine: OnnxRuntimeEngine, tmp_path: Path
) -> None:
    last = 6
    seen: list[set[float]] = [set() for _ in range(4)]

    async def ask(answers: set[float]) -> None:
        while last not in answers:
            answers.add(await product(engine))

    async with asyncio.timeout(60), asyncio.TaskGroup() as asking:
        for answers in seen:
            asking.create_task(ask(answers))
        for version in range(2, last + 1):
            write_version(tmp_path, version)
            await engine.load("times")
    assert all(answers <= set(range(1, last + 1)) for answers in seen)


async def test_a_run_that_began_ends_on_the_version_it_began_on(tmp_path: Path) -> None:
    settings = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=2)
    async with OnnxRuntimeEngine(build_endless_repository(tmp_path), settings) as engine:
        images = {"image": image_with_points((1, 1), (2, 2))[np.newaxis]}
        endless = asyncio.ensure_future(engine.infer("toy_keypoint", images))
        await asyncio.sleep(0)
        shutil.rmtree(tmp_path / "toy_keypoint" / "2")
        await engine.load("toy_keypoint")
        await engine.infer("toy_keypoint", images)
        assert not endless.done()
        endless.cancel()


async def test_a_model_added_to_the_repository_can_be_loaded(
    engine: OnnxRuntimeEngine, tmp_path: Path
) -> None:
    write_version(tmp_path, 3, "added")
    with pytest.raises(UnknownModelError, match=r"^model: added is not in the repository; "):
        await product(engine, "added")
    await engine.load("added")
    assert engine.models() == ("added", "times")
    assert await product(engine, "added") == 3


async def test_an_unloaded_model_is_refused_until_it_is_loaded_again(
    engine: OnnxRuntimeEngine,
) -> None:
    await engine.unload("times")
    assert engine.models() == ()
    with pytest.raises(UnavailableError, match=r"^model: times is not served: unloaded$"):
        await product(engine)
    assert engine.states() == (ModelState("times", 1, False, "unloaded"),)
    await engine.load("times")
    assert await product(engine) == 1


@pytest.mark.parametrize("name", ["other", "../times", "", "."])
async def test_what_is_no_model_of_the_repository_is_neither_loaded_nor_unloaded(
    engine: OnnxRuntimeEngine, name: str
) -> None:
    with pytest.raises(UnknownModelError):
        await engine.load(name)
    with pytest.raises(UnknownModelError):
        await engine.unload(name)


async def test_a_new_version_that_is_broken_leaves_the_one_before(
    engine: OnnxRuntimeEngine, tmp_path: Path
) -> None:
    break_version(tmp_path, 2)
    with pytest.raises(InvalidInputError, match=r"times/2/model\.onnx is not a model"):
        await engine.load("times")
    assert await product(engine) == 1
    assert engine.states() == (ModelState("times", 1, True),)


async def test_a_broken_model_leaves_the_others_and_is_named_without_its_folder(
    tmp_path: Path,
) -> None:
    write_version(tmp_path, 1)
    break_version(tmp_path, 4, "broken")
    reason = "broken/4/model.onnx cannot be served; see the log"
    async with OnnxRuntimeEngine(tmp_path) as engine:
        assert engine.models() == ("times",)
        assert engine.states() == (
            ModelState("broken", 4, False, reason),
            ModelState("times", 1, True),
        )
        assert await product(engine) == 1
        with pytest.raises(UnavailableError, match=rf"^model: broken is not served: {reason}$"):
            await product(engine, "broken")
        write_version(tmp_path, 5, "broken")
        await engine.load("broken")
        assert await product(engine, "broken") == 5
        assert all(state.ready for state in engine.states())


async def test_nothing_is_loaded_into_an_engine_that_is_closed(tmp_path: Path) -> None:
    write_version(tmp_path, 1)
    engine = OnnxRuntimeEngine(tmp_path)
    with pytest.raises(UnavailableError, match=r"^engine: not open$"):
        await engine.load("times")
    assert engine.models() == ()
