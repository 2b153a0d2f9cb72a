"""Stills of all depths and sizes, and damaged ones."""

from __future__ import annotations

import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.TiffImagePlugin
import pytest
from numpy.typing import NDArray

from motioncast.media import BACKGROUND, MAX_STILL_PIXELS, MediaError, read_image, read_video

RAMP = np.arange(256, dtype=np.float64).reshape(16, 16) / 255  # black to white


def grey(path: Path) -> NDArray[np.int64]:
    picture = read_image(path, None).astype(int)
    assert (picture == picture[..., :1]).all()
    return picture[..., 0]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path, suffix: str) -> None:
    PIL.Image.fromarray(np.rint(65535 * RAMP).astype(np.uint16)).save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(grey(tmp_path / f"a{suffix}"), np.rint(255 * RAMP))


@pytest.mark.parametrize("white", [255, 65535, 2**31 - 1])
def test_thirty_two_bits_are_scaled_to_what_they_hold(tmp_path: Path, white: int) -> None:
    PIL.Image.fromarray(np.rint(white * RAMP).astype(np.int32)).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(grey(tmp_path / "a.tif"), np.rint(255 * RAMP))


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_real_numbers_are_scaled_to_what_they_hold(tmp_path: Path, white: float) -> None:
    numbers = (white * RAMP).astype(np.float32)
    numbers[0, 0] = np.nan
    PIL.Image.fromarray(numbers).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(grey(tmp_path / "a.tif"), np.rint(255 * RAMP))


def test_what_is_brighter_than_white_is_white(tmp_path: Path) -> None:
    PIL.Image.fromarray((1.5 * RAMP).astype(np.float32)).save(tmp_path / "a.tif")
    expected = np.rint(255 * np.minimum(1.5 * RAMP, 1))
    assert np.abs(grey(tmp_path / "a.tif") - expected).max() <= 1


def test_white_may_be_zero(tmp_path: Path) -> None:
    tags = PIL.TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0  # TIFF 6.0: WhiteIsZero
    PIL.Image.fromarray(np.rint(65535 * RAMP).astype(np.uint16)).save(
        tmp_path / "a.tif", tiffinfo=tags
    )
    with PIL.Image.open(tmp_path / "a.tif") as image:
        stored = np.asarray(image).astype(float)
    if image.tag_v2[262] != 0:  # type: ignore[attr-defined]
        pytest.skip("this Pillow writes no such file")
    assert np.abs(grey(tmp_path / "a.tif") - np.rint(255 * (1 - stored / 65535))).max() <= 1


def test_numbers_that_are_no_picture_are_refused(tmp_path: Path) -> None:
    PIL.Image.fromarray((2e6 * RAMP).astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(MediaError, match=r"^a\.tif: grey values up to 2e\+06"):
        read_image(tmp_path / "a.tif", None)


def hidden(mode: str) -> PIL.Image.Image:
    """Returns a picture with a transparent left half hiding magenta, and a half-opaque row."""
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[...] = (255, 0, 255, 0)
    pixels[:, 8:] = (40, 40, 40, 255)
    pixels[8, 8:, 3] = 128
    image = PIL.Image.fromarray(pixels)
    return image.convert(mode) if mode != "RGBA" else image


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_transparency_shows_the_background_and_no_hidden_colour(
    tmp_path: Path, mode: str, suffix: str
) -> None:
    hidden(mode).convert("RGBA" if suffix == ".webp" else mode).save(
        tmp_path / f"a{suffix}", lossless=True, exact=True
    )
    shown = read_image(tmp_path / f"a{suffix}", None)
    assert (shown[:, :8] == BACKGROUND).all()
    assert (shown[0, 8:] == 40).all()
    assert np.abs(shown[8, 8:].astype(float) - (40 * 128 + 255 * 127) / 255).max() <= 1


def test_a_transparent_entry_of_a_palette_shows_the_background(tmp_path: Path) -> None:
    image = PIL.Image.new("P", (16, 16), 1)
    image.putpalette([255, 0, 255, 10, 20, 30])
    image.paste(0, (0, 0, 8, 16))
    image.save(tmp_path / "a.png", transparency=0)
    image.save(tmp_path / "a.gif", transparency=0)
    for name in ("a.png", "a.gif"):
        shown = read_image(tmp_path / name, None)
        assert (shown[:, :8] == BACKGROUND).all()
        assert (shown[:, 8:] == (10, 20, 30)).all()
    with read_video(tmp_path / "a.gif", 16) as video:
        (frame,) = video.frames
    assert (frame[:, :8] == BACKGROUND).all()


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_an_animation_is_a_video(tmp_path: Path, suffix: str) -> None:
    images = [PIL.Image.new("RGB", (16, 16), (50 * i, 0, 0)) for i in range(5)]
    durations = [100, 100, 400, 100, 100]  # milliseconds
    images[0].save(
        tmp_path / f"a{suffix}", save_all=True, append_images=images[1:], duration=durations,
        lossless=True,
    )  # fmt: skip
    with read_video(tmp_path / f"a{suffix}", 16) as video:
        reds = [round(float(frame[..., 0].mean()) / 50) for frame in video.frames]
        assert video.frame_rate == 10
        assert video.repeated == 3
    assert reds == [0, 1, 2, 2, 2, 2, 3, 4]
    assert read_image(tmp_path / f"a{suffix}", None).max() == 0  # the first


LARGE = """
import resource, sys
from motioncast.media import read_image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture = read_image(sys.argv[1], None if sys.argv[2] == "full" else 256)
print(*picture.shape, int(picture[0, 0, 0]), int(picture[-1, -1, 0]),
      (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("suffix", "size"), [(".jpg", "full"), (".jpg", "square"), (".png", "full")]
)
def test_two_hundred_megapixels_are_reduced_while_decoding(
    tmp_path: Path, suffix: str, size: str
) -> None:
    width, height = 16320, 12240
    image = PIL.Image.new("L", (width, height), 40)
    image.paste(200, (width // 2, 0, width, height))
    image.save(tmp_path / f"a{suffix}")
    command = [sys.executable, "-W", "error", "-c", LARGE, str(tmp_path / f"a{suffix}"), size]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rows, columns, _, left, right, mebibytes = map(int, done.stdout.split())
    assert abs(left - 40) <= 1
    assert abs(right - 200) <= 1
    if size == "square":
        assert (rows, columns) == (256, 256)
    else:
        assert 0.9 * 2**23 < rows * columns <= 2**23
        assert columns / rows == pytest.approx(width / height, rel=1e-3)
    # As RGB it takes 571 MiB; a PNG cannot be decoded at less than its own 190.
    assert mebibytes < (320 if suffix == ".png" else 160)


def test_more_pixels_than_the_limit_are_refused_unread(tmp_path: Path) -> None:
    data = bytearray(b"P5 20000 20000 255\n")
    (tmp_path / "a.pgm").write_bytes(data)
    assert MAX_STILL_PIXELS < 20000 * 20000
    with pytest.raises(MediaError, match=r"^a\.pgm: 20000 x 20000 pixels exceed the limit of"):
        read_image(tmp_path / "a.pgm", 64)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_damaged_exif_alone_loses_no_picture(tmp_path: Path, suffix: str) -> None:
    random = np.random.default_rng(0)
    stored = np.full((32, 32, 3), 90, np.uint8)
    exif = PIL.Image.Exif()
    for tag, value in (
        (0x0112, 1),
        (0x010F, "maker"),
        (0x011A, 72.0),
        (0x0132, "2024:05:06 07:08:09"),
    ):
        exif[tag] = value
    PIL.Image.fromarray(stored).save(tmp_path / f"a{suffix}", exif=exif)
    whole = (tmp_path / f"a{suffix}").read_bytes()
    block = exif.tobytes()[6:]
    at = whole.index(block)
    for _ in range(60):
        data = bytearray(whole)
        for place in random.integers(8, len(block), 6):
            data[at + place] = random.integers(256)
        if suffix == ".png":  # fixes the chunk's checksum, which only Pillow's strict reader checks
            end = at + len(block)
            data[end : end + 4] = zlib.crc32(data[at - 4 : end]).to_bytes(4, "big")
        (tmp_path / f"b{suffix}").write_bytes(data)
        shown = read_image(tmp_path / f"b{suffix}", None)
        assert np.abs(shown.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".gif", ".bmp", ".jp2"])
def test_whatever_a_decoder_raises_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    random = np.random.default_rng(0)
    stored = random.integers(0, 256, (24, 24, 3), np.uint8)
    options = {"compression": "tiff_lzw"} if suffix == ".tif" else {}
    PIL.Image.fromarray(stored).save(tmp_path / f"a{suffix}", **options)
    whole = (tmp_path / f"a{suffix}").read_bytes()
    for _ in range(150):
        data = bytearray(whole)
        for place in random.integers(2, len(data), 4):
            data[place] = random.integers(256)
        (tmp_path / f"b{suffix}").write_bytes(data[: random.integers(8, len(data) + 1)])
        with suppress(MediaError):  # anything else fails the test
            read_image(tmp_path / f"b{suffix}", 16)
    assert capfd.readouterr() == ("", "")


def test_a_strip_of_a_program_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "a.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(MediaError, match=r"^a\.eps: not a readable image$"):
        read_image(tmp_path / "a.eps", 16)


def test_an_icon_is_one_picture_at_the_rate_of_stills(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (64, 48), (200, 60, 90)).save(tmp_path / "icon.ico")
    with read_video(tmp_path / "icon.ico", None) as video:
        [picture] = video.frames
    assert video.frame_rate == 25
    assert picture[24, 32].tolist() == [200, 60, 90]
