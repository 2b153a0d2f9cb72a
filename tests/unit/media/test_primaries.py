"""Stills that specify their colours by gamma, primaries or H.273 code points."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from support.heic import box, coded, write_heic

from motioncast.media import read_image, read_video
from motioncast.media.primaries import PRIMARIES, Colours

# Linear RGB -> XYZ of IEC 61966-2-1 and of SMPTE EG 432-1 (D65), as published.
SRGB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
P3 = np.array([[0.4866, 0.2657, 0.1982], [0.2290, 0.6917, 0.0793], [0.0000, 0.0451, 1.0439]])
COLOUR = (180, 120, 120)
P3_PLACES = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
SRGB_CHUNK = (b"sRGB", b"\0")


def gama(value: int) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", value)


def chrm(*places: int) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *places)


def cicp(*numbers: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes(numbers)


def png(path: Path, picture: PIL.Image.Image, *chunks: tuple[bytes, bytes]) -> Path:
    """Writes a PNG with custom chunks before the image data."""
    picture.save(path)
    data = path.read_bytes()
    at = data.index(b"IDAT") - 4
    added = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    path.write_bytes(data[:at] + added + data[at:])
    return path


def linear(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def encoded(light: NDArray[np.float64]) -> NDArray[np.float64]:
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def plain(*colour: int) -> PIL.Image.Image:
    return PIL.Image.new("RGB", (8, 8), colour)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8])
def test_numbers_to_a_power_are_light(tmp_path: Path, mode: str, gamma: float) -> None:
    stored = 90
    grey = plain(stored, stored, stored)
    picture = grey.quantize(4) if mode == "P" else grey.convert(mode)
    path = png(tmp_path / "a.png", picture, gama(round(1e5 * gamma)))
    expected = encoded(np.array((stored / 255) ** (1 / gamma)))
    assert np.abs(read_image(path, None) - expected).max() <= 1


@pytest.mark.parametrize(
    "chunks",
    [
        [gama(45455)],
        [gama(45455), chrm(31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)],
        [gama(100000), SRGB_CHUNK],
        [chrm(*P3_PLACES)],  # W3C PNG: meaningless without gamma
        [cicp(1, 13, 0, 1)],
        [gama(100000), cicp(1, 13, 0, 1)],
        [gama(0)],
        [gama(45455), chrm(*[0] * 8)],
        [cicp(99, 13, 0, 1)],
        [cicp(12, 13, 5, 0)],  # Y'CbCr, which PNG does not support
        [(b"gAMA", b"\0")],
    ],
)
def test_what_is_srgb_or_makes_no_sense_stays_as_it_is(
    tmp_path: Path, chunks: list[tuple[bytes, bytes]]
) -> None:
    path = png(tmp_path / "a.png", plain(*COLOUR), *chunks)
    assert (read_image(path, None) == COLOUR).all()


@pytest.mark.parametrize("chunks", [[cicp(12, 13, 0, 1)], [gama(45455), chrm(*P3_PLACES)]])
def test_display_p3_has_more_of_its_colours_in_srgb(
    tmp_path: Path, chunks: list[tuple[bytes, bytes]]
) -> None:
    path = png(tmp_path / "a.png", plain(*COLOUR), *chunks)
    expected = encoded(np.linalg.solve(SRGB, P3 @ linear(np.array(COLOUR) / 255)))
    assert np.abs(read_image(path, None) - expected).max() <= 1
    assert expected[0] >= 184
    with read_video(path, None) as video:
        assert np.abs(next(video.frames) - expected).max() <= 1


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_reference_white_is_white(tmp_path: Path, transfer: int) -> None:
    """BT.2408-7: reference white is 58 % of PQ's signal and 75 % of HLG's."""
    level = round(255 * {16: 0.58, 18: 0.75}[transfer])
    path = png(tmp_path / "a.png", plain(level, level, level), cicp(9, transfer, 0, 1))
    assert read_image(path, None).min() >= 225


def test_a_photograph_of_numbers_in_its_box_is_in_srgb_too(tmp_path: Path) -> None:
    stored = np.full((64, 64, 3), COLOUR, np.uint8)
    nclx = box(b"colr", b"nclx", struct.pack(">HHHB", 12, 13, 6, 0x80))
    path = write_heic(tmp_path / "a.heic", coded(tmp_path / "t.mp4", stored, nclx))
    expected = encoded(np.linalg.solve(SRGB, P3 @ linear(np.array(COLOUR) / 255)))
    assert np.abs(read_image(path, None) - expected).max() <= 3


@pytest.mark.parametrize("number", PRIMARIES)
def test_white_stays_white_whatever_the_primaries(tmp_path: Path, number: int) -> None:
    path = png(tmp_path / "a.png", plain(255, 255, 255), cicp(number, 8, 0, 1))
    assert read_image(path, None).min() >= 254
    colours = Colours.of_code_points(number, 13)
    assert colours is not None
    assert (colours.profile() is None) == (number == 1)
