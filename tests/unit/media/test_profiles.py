"""Stills with ICC profiles: their colours, and damaged profiles."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from PIL import ImageCms
from support.heic import coded, colr, grid, write_heic

from motioncast.media import read_image

COLOUR = (200, 120, 40)


def profile(*, exchanged: bool) -> bytes:
    """Returns the profile of sRGB, or of sRGB with red and blue exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if not exchanged:
        return data
    return (
        data.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)
    )


# Display P3 (SMPTE EG 432-1, D65) -> XYZ, and sRGB (IEC 61966-2-1) -> XYZ, both linear.
P3 = np.array([[0.4866, 0.2657, 0.1982], [0.2290, 0.6917, 0.0793], [0.0000, 0.0451, 1.0439]])
SRGB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
# The same columns adapted to D50 by Bradford, as stored in profiles (ICC.1:2010, Apple's profile).
P3_D50 = {b"rXYZ": (0.5151, 0.2412, -0.0011), b"gXYZ": (0.2920, 0.6922, 0.0419)}
P3_D50 |= {b"bXYZ": (0.1571, 0.0666, 0.7841)}


def display_p3() -> bytes:
    """Returns sRGB's profile with the primaries of Display P3; both have the same curve."""
    data = bytearray(profile(exchanged=False))
    for at in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12):
        if (tag := bytes(data[at : at + 4])) in P3_D50:
            start = int.from_bytes(data[at + 4 : at + 8], "big") + 8
            numbers = [round(value * 65536) for value in P3_D50[tag]]
            data[start : start + 12] = struct.pack(">3i", *numbers)
    return bytes(data)


def in_srgb(colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """Converts a Display P3 colour to sRGB by the definitions of both."""
    value = np.array(colour) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.linalg.solve(SRGB, P3 @ linear), 0, 1)
    low, high = 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    return 255 * np.where(linear <= 0.0031308, low, high)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_profile_says_what_colours_mean(tmp_path: Path, suffix: str, mode: str) -> None:
    image = PIL.Image.new("RGB", (8, 8), COLOUR).convert(mode)
    for exchanged in (False, True):
        path = tmp_path / f"{exchanged}{suffix}"
        image.save(path, icc_profile=profile(exchanged=exchanged), lossless=True)
        meant = COLOUR[::-1] if exchanged else COLOUR
        assert np.abs(read_image(path, None).astype(int) - meant).max() <= 1


@pytest.mark.parametrize("of_the_tile", [False, True])
def test_a_phones_photograph_has_its_profile_in_a_box(tmp_path: Path, of_the_tile: bool) -> None:
    stored = np.full((64, 64, 3), COLOUR, np.uint8)
    boxes = [colr(profile(exchanged=True))]
    tile = coded(tmp_path / "t.mp4", stored, *(boxes if of_the_tile else []))
    whole = grid(1, 1, 64, 64, *([] if of_the_tile else boxes))
    shown = read_image(write_heic(tmp_path / "a.heic", whole, tile), None)
    assert np.abs(shown.astype(int) - COLOUR[::-1]).max() <= 3


def test_a_photograph_of_display_p3_has_more_of_its_colours_in_srgb(tmp_path: Path) -> None:
    """P3's red (255, 0, 0) lies outside sRGB; (180, 120, 120) is about (187, 118, 120) there."""
    image = PIL.Image.new("RGB", (8, 8), (180, 120, 120))
    image.save(tmp_path / "a.jpg", quality=100, subsampling=0, icc_profile=display_p3())
    shown = read_image(tmp_path / "a.jpg", None)[4, 4]
    assert np.abs(shown.astype(int) - in_srgb((180, 120, 120))).max() <= 2
    assert shown[0] >= 184


@pytest.mark.parametrize("damaged", [b"no profile", profile(exchanged=False)[:200]])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_damaged_profile_loses_no_picture(tmp_path: Path, damaged: bytes, mode: str) -> None:
    image = PIL.Image.new("RGB", (8, 8), COLOUR).convert(mode)
    image.save(tmp_path / "a.tif", icc_profile=damaged)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", None), image.convert("RGB"))


def test_a_profile_of_another_space_is_left_aside(tmp_path: Path) -> None:
    image = PIL.Image.new("L", (8, 8), 90)
    image.save(tmp_path / "a.png", icc_profile=profile(exchanged=True))
    assert (read_image(tmp_path / "a.png", None) == 90).all()
