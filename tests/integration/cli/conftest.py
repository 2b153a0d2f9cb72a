"""The command line as users call it, with the closed-form models."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.codec_tables import add_tables, turned_tables
from support.command_line import Result, Run, clip_frames, serving_process
from support.toy_models import build_toy_repository

from motioncast.cli.main import main
from motioncast.client.video import write_video


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], toy_repository: Path
) -> Run:
    """Runs `motioncast ARGUMENTS` in this process, with toy models instead of the shipped ones."""
    monkeypatch.setenv("MOTIONCAST_MODEL_REPOSITORY", str(toy_repository))
    monkeypatch.setenv("COLUMNS", "200")  # so that nothing wraps

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["motioncast", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Result(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lossless video of `clip_frames` at 25 frames/s."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with write_video(path, 25, lossless=True) as video:
        for frame in clip_frames():
            video.write(frame)
    return path


@pytest.fixture(scope="module")
def served(toy_repository: Path) -> Iterator[dict[str, str]]:
    """Addresses, by name, of services run by `motioncast serve` in a separate process."""
    with serving_process(toy_repository) as (process, addresses):
        yield addresses
        process.terminate()
        assert process.wait() == 0


@pytest.fixture(scope="session")
def coded_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy models, with codec tables."""
    repository = build_toy_repository(tmp_path_factory.mktemp("coded"))
    add_tables(repository, turned_tables(2, 6))
    return repository


@pytest.fixture(scope="module")
def coded_target(coded_repository: Path) -> Iterator[str]:
    """Address of a separate process with all services on these models, including the relay."""
    with serving_process(coded_repository) as (process, addresses):
        yield addresses["orchestrator"]
        process.terminate()
        assert process.wait() == 0
