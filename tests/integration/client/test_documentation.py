"""The programs of docs/sdk.md run as printed, with small models and files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import PIL.Image
import pytest
from support.codec_tables import add_tables, plain_tables
from support.documented_programs import printed
from support.toy_models import build_toy_repository, image_with_points

from motioncast.client.video import read_video, write_video

PAGE: Final = Path(__file__).parents[3] / "docs" / "sdk.md"
FILE, BLOCKING, FIT, DEVICE, SOURCES, ERRORS = re.findall(
    r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
)


@pytest.fixture
def folder(tmp_path: Path, toy_repository: Path) -> Path:
    """A folder with all files named in the programs."""
    with write_video(tmp_path / "clip.mp4", 25) as clip:
        for t in range(30):
            clip.write(image_with_points((t // 2, 3), (3, t // 2)))
    PIL.Image.fromarray(image_with_points((5, 5), None)).save(tmp_path / "face.png")
    model = tmp_path / "model_repository" / "face256_keypoint" / "1" / "model.onnx"
    model.parent.mkdir(parents=True)
    shutil.copy(toy_repository / "toy_keypoint" / "1" / "model.onnx", model)
    return tmp_path


async def test_a_video_file_goes_through(folder: Path, toy_repository: Path) -> None:
    output = await printed(FILE, folder, toy_repository)
    assert re.search(r"^0 observed \d+ ms\n", output)
    assert re.search(r"\n29 predicted \d+ ms\n\d+% saved against raw frames\n$", output)
    with read_video(folder / "result.mp4", 16) as result:
        assert len(list(result.frames)) == 30


async def test_the_blocking_program_runs(folder: Path, toy_repository: Path) -> None:
    output = await printed(BLOCKING, folder, toy_repository)
    assert re.fullmatch(r"mean error of the predicted frames: \d+\.\d of 255\n", output)


async def test_another_library_s_pictures_are_taken(folder: Path, toy_repository: Path) -> None:
    camera = "import numpy as np\nframe = np.zeros((480, 640, 3), np.uint8)\n"
    output = await printed(
        f"{camera}{FIT}print(picture.shape, square.shape)", folder, toy_repository
    )
    assert output == "(480, 640, 3) (256, 256, 3)\n"


async def test_the_program_with_keypoints_runs(folder: Path, tmp_path: Path) -> None:
    repository = build_toy_repository(tmp_path / "coding")
    add_tables(repository, plain_tables(2))
    output = await printed(DEVICE, folder, repository)
    assert re.fullmatch(r"30 frames at \d+\.\d kbit/s\n", output)


async def test_the_program_with_several_sources_runs(folder: Path, toy_repository: Path) -> None:
    output = await printed(SOURCES, folder, toy_repository)
    assert re.fullmatch(r"frames by source: \(\d+, \d+\)\n", output)


async def test_the_program_with_an_error_says_it(folder: Path, toy_repository: Path) -> None:
    output = await printed(ERRORS, folder, toy_repository)
    assert re.fullmatch(
        r"\S+: please correct it \(.*7 x 7 pixels, but the model takes 16 x 16\)\n", output
    )
