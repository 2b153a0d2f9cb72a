"""Display matrices and Exif orientations agree with their definition, pixel by pixel."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from motioncast.media import read_image, read_video, write_video

STORED = np.random.default_rng(1).integers(0, 256, (18, 30, 3), np.uint8)
MATRICES = [
    (1, 0, 0, 1),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (-1, 0, 0, -1),
    (0, 1, 1, 0),
    (0, 1, -1, 0),
    (0, -1, 1, 0),
    (0, -1, -1, 0),
]


def displayed(a: int, b: int, c: int, d: int) -> NDArray[np.uint8]:
    """Places every stored pixel by ISO/IEC 14496-12, 8.3.2: x' = ax + cy, y' = bx + dy."""
    height, width, _ = STORED.shape
    places = {(a * x + c * y, b * x + d * y): (y, x) for y in range(height) for x in range(width)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    shape = (height, width) if a else (width, height)
    picture = np.zeros((*shape, 3), np.uint8)
    for (x, y), place in places.items():
        picture[y - top, x - left] = STORED[place]
    return picture


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Rewrites the display matrix of the track header (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    unit = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = data.index(unit, data.index(b"tkhd"))
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_video_is_shown_as_its_display_matrix_says(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    path = tmp_path / "clip.mp4"
    with write_video(path, 25, lossless=True) as video:
        video.write(STORED)
    set_matrix(path, *matrix)
    with read_video(path, None) as back:
        (picture,) = back.frames
    np.testing.assert_array_equal(picture, displayed(*matrix))


# Exif 2.32, 4.6.4 A, tag 0x0112: where the stored row 0 and column 0 are displayed.
EXIF = {1: 0, 2: 1, 3: 3, 4: 2, 5: 4, 6: 5, 7: 7, 8: 6}  # -> the index in MATRICES


@pytest.mark.parametrize(("number", "place"), EXIF.items())
@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp"])
def test_a_photograph_is_shown_as_its_exif_says(
    tmp_path: Path, number: int, place: int, suffix: str
) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = number
    image = PIL.Image.fromarray(STORED)
    image.save(tmp_path / f"face{suffix}", exif=exif, lossless=True)
    picture = read_image(tmp_path / f"face{suffix}", None)
    np.testing.assert_array_equal(picture, displayed(*MATRICES[place]))
