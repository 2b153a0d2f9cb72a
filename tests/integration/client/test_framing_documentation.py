"""The programs of docs/framing.md run as printed, with small models and files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest
from support.documented_programs import printed
from support.toy_finder import picture_with_faces, write_toy_finder
from support.toy_models import build_toy_repository

from motioncast.client.video import read_video, write_video

PAGE: Final = Path(__file__).parents[3] / "docs" / "framing.md"
SERVER, DEVICE = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all files named in the programs."""
    repository = build_toy_repository(tmp_path / "model_repository")
    write_toy_finder(repository)
    shutil.copytree(repository / "toy_keypoint", repository / "face256_keypoint")
    with write_video(tmp_path / "talk.mp4", 25) as video:
        for t in range(30):
            video.write(picture_with_faces(160, 120, (40 + t, 30, 64 + t, 60)))
    return tmp_path


@pytest.fixture
def served(folder: Path) -> Path:
    """The repository that the server serves."""
    repository = build_toy_repository(folder / "served")
    write_toy_finder(repository)
    return repository


async def test_the_program_that_lets_the_server_frame_runs(folder: Path, served: Path) -> None:
    assert re.fullmatch(r"1 face, side \d\d of 120\n", await printed(SERVER, folder, served))
    with read_video(folder / "talk_again.mp4", None) as video:
        assert [frame.shape for frame in video.frames] == [(120, 160, 3)] * 30


async def test_the_program_that_frames_on_the_device_runs(folder: Path, served: Path) -> None:
    assert re.fullmatch(r"\d+ crops\n", await printed(DEVICE, folder, served))
