"""`motioncast serve --engine triton`, as users call it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from support.command_line import clip_frames
from support.toy_configs import build_configured_repository
from support.toy_models import toy_frame
from support.triton_server import (
    children,
    folders,
    is_alive,
    regions,
    shared_memory_name,
    skip_without_triton,
)

from motioncast.client import Origin, connect
from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.local.engines import EngineOptions, check_options
from motioncast.triton.stubs import find_stubs
from motioncast.wire.errors import InvalidInputError

_SERVE = (sys.executable, "-m", "motioncast.cli.main", "serve")
_OPTIONS = ("--engine", "triton", "--port", "0", "--http-port", "0", "--log-level", "WARNING")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_without_triton()
    return build_configured_repository(tmp_path_factory.mktemp("command"))


@asynccontextmanager
async def _serving(repository: Path, *arguments: str) -> AsyncIterator[tuple[str, int]]:
    """Yields the first announced address and the command's pid."""
    process = await asyncio.create_subprocess_exec(
        *(*_SERVE, *arguments, *_OPTIONS, "--drain-grace", "1", "--models", str(repository)),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    _, address, _ = (await process.stdout.readline()).decode().split()
    yield address, process.pid
    process.terminate()
    assert await process.wait() == 0


async def test_all_services_run_on_triton_and_nothing_is_left_of_it(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with _serving(repository) as (target, pid):
        [reaper] = children(pid)
        [server] = children(reaper)
        memory = shared_memory_name(server)
        assert len(folders(tmp_path)) == 1
        async with connect(target) as service:
            stream = service.stream(clip_frames(), observed=2, predicted=2)
            frames = [frame async for frame in stream]
            for stub in find_stubs(server):
                os.kill(stub.pid, signal.SIGKILL)
            stream = service.stream(clip_frames(), observed=2, predicted=2)
            again = [frame async for frame in stream]
    assert [frame.origin for frame in frames[:4]] == [Origin.OBSERVED] * 2 + [Origin.PREDICTED] * 2
    for first, second in zip(frames, again, strict=True):
        np.testing.assert_array_equal(first.image, toy_frame(first.keypoints))
        np.testing.assert_array_equal(first.image, second.image)
    assert not is_alive(server)
    assert regions(memory) == []
    assert folders(tmp_path) == []


async def test_bare_models_are_served_by_triton_itself(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTIONCAST_TRITON_SECRET", "known-to-both-of-us")
    async with (
        _serving(repository, "models") as (address, _),
        KServeEngine(KServeSettings(address, secret="known-to-both-of-us")) as engine,
    ):
        assert engine.models() == ("toy_keypoint", "toy_predictor", "toy_synthesis")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"threads": 2}, "threads: does not apply to Triton; set it in the models' config.pbtxt"),
        ({"max_runs": 2}, "max-runs: does not apply to Triton; set it in the models' config.pbtxt"),
        (
            {"server": KServeSettings("h:1")},
            "engine: triton cannot be combined with the model server at h:1",
        ),
    ],
)
def test_options_that_contradict_an_embedded_triton_are_refused(
    values: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidInputError, match=rf"^{sentence}"):
        check_options("triton", EngineOptions(**values))  # type: ignore[arg-type]


def test_a_python_without_triton_is_told_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys, importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pytriton' else find(name, *rest)\n"
        "from motioncast.cli.main import main; main()"
    )
    repository = build_configured_repository(tmp_path)
    command = [sys.executable, "-c", program, "serve", *_OPTIONS, "--models", str(repository)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "motioncast: engine: Triton is not installed: pip install 'motioncast[triton]'\n"
    )
