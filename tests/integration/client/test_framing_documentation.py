"""The programs of docs/framing.md run as they are printed, on small models and files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from asyncio import create_subprocess_exec
from pathlib import Path
from typing import Final

import pytest
from support.toy_finder import picture_with_faces, write_toy_finder
from support.toy_models import build_toy_repository

from motioncast.client.video import read_video, write_video
from motioncast.local import LocalServices, LocalSettings

PAGE: Final = Path(__file__).parents[3] / "docs" / "framing.md"
SERVER, DEVICE = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every file that the programs name."""
    repository = build_toy_repository(tmp_path / "model_repository")
    write_toy_finder(repository)
    shutil.copytree(repository / "toy_keypoint", repository / "face256_keypoint")
    with write_video(tmp_path / "talk.mp4", 25) as video:
        for t in range(30):
            video.write(picture_with_faces(160, 120, (40 + t, 30, 64 + t, 60)))
    return tmp_path


async def printed(program: str, folder: Path) -> str:
    """Returns what a program prints when it runs in the folder against the four services."""
    served = build_toy_repository(folder / "served")
    write_toy_finder(served)
    async with LocalServices(LocalSettings(repository=served, drain_grace_seconds=0.5)) as local:
        process = await create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-c",
            program.replace("localhost:50050", local.target),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_program_that_lets_the_server_frame_runs(folder: Path) -> None:
    assert re.fullmatch(r"1 face, side \d\d of 120\n", await printed(SERVER, folder))
    with read_video(folder / "talk_again.mp4", None) as video:
        assert [frame.shape for frame in video.frames] == [(120, 160, 3)] * 30


async def test_the_program_that_frames_on_the_device_runs(folder: Path) -> None:
    assert re.fullmatch(r"\d+ crops\n", await printed(DEVICE, folder))
