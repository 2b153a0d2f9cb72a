from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from motioncast.client import MediaError
from motioncast.client.video import read_image


def test_an_image_of_the_right_size_comes_back_pixel_for_pixel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "face.png")
    np.testing.assert_array_equal(read_image(tmp_path / "face.png", 16), pixels)


def test_the_centre_square_is_scaled(tmp_path: Path) -> None:
    pixels = np.zeros((32, 96, 3), np.uint8)
    pixels[:, 32:64] = (9, 99, 199)
    PIL.Image.fromarray(pixels).save(tmp_path / "face.png")
    image = read_image(tmp_path / "face.png", 8)
    np.testing.assert_array_equal(image, np.broadcast_to([9, 99, 199], (8, 8, 3)))


def test_the_orientation_of_a_photograph_is_respected(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[0] = 255  # the stored top row
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # Exif 2.3, orientation: the stored top row is displayed at the right
    PIL.Image.fromarray(pixels).save(tmp_path / "face.png", exif=exif)
    upright = np.zeros((16, 16, 3), np.uint8)
    upright[:, -1] = 255
    np.testing.assert_array_equal(read_image(tmp_path / "face.png", 16), upright)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_any_colour_mode_comes_out_as_rgb(tmp_path: Path, mode: str) -> None:
    PIL.Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode).save(tmp_path / "face.tiff")
    image = read_image(tmp_path / "face.tiff", 8)
    np.testing.assert_array_equal(image, np.full((8, 8, 3), 255))


@pytest.mark.parametrize("content", [b"no image at all", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_what_is_no_image_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "face.png").write_bytes(content)
    with pytest.raises(MediaError, match=r"^face\.png: not a readable image$"):
        read_image(tmp_path / "face.png", 16)


def test_a_truncated_image_is_said_to_be_truncated(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "face.jpg")
    data = (tmp_path / "face.jpg").read_bytes()
    (tmp_path / "face.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"^face\.jpg: truncated$"):
        read_image(tmp_path / "face.jpg", 16)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"missing\.png: no such file$"):
        read_image(tmp_path / "missing.png", 16)
