"""Stills that Pillow cannot open: PNGs with large extra chunks, TIFFs of unusual types."""

from __future__ import annotations

import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from PIL import ImageCms

from motioncast.media import MediaError, read_image
from motioncast.media.stills import read_whole_image

MIB = 2**20
RGB = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)


def write_png(path: Path, name: bytes, chunk: bytes) -> None:
    """Writes RGB as a PNG with an extra chunk before the image data."""
    rows = b"".join(b"\0" + row.tobytes() for row in RGB)
    header = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (name, chunk), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    coded = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(coded))


@pytest.mark.parametrize(
    ("name", "before"),
    [(b"iCCP", b"x\0\0"), (b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\1\0\0\0")],
    ids=["a profile", "a text", "a text of Unicode"],
)
def test_what_inflates_beside_a_picture_costs_nothing_and_loses_no_picture(
    tmp_path: Path, name: bytes, before: bytes
) -> None:
    path = tmp_path / "large.png"
    write_png(path, name, before + zlib.compress(bytes(200 * MIB), 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (read_whole_image(path) == RGB).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 32 * 1024  # KiB


def test_a_damaged_profile_or_text_loses_no_picture(tmp_path: Path) -> None:
    for name in (b"iCCP", b"zTXt", b"iTXt", b"gAMA", b"pHYs"):
        write_png(tmp_path / "damaged.png", name, b"x\0\1\0\0\0nothing of the kind")
        assert (read_whole_image(tmp_path / "damaged.png") == RGB).all()


def test_a_printers_profile_of_two_mebibytes_is_used(tmp_path: Path) -> None:
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exchanged = data.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1)
    exchanged = exchanged.replace(b"????", b"bXYZ", 1)  # its red is sRGB's blue
    padded = exchanged + np.random.default_rng(0).bytes(2 * MIB)
    padded = struct.pack(">I", len(padded)) + padded[4:]
    write_png(tmp_path / "profile.png", b"iCCP", b"x\0\0" + zlib.compress(padded))
    seen = read_whole_image(tmp_path / "profile.png").astype(int)
    assert np.abs(seen - RGB[..., ::-1]).max() <= 2


def write_tiff(path: Path, samples: NDArray[np.generic], sample_format: int) -> None:
    """Writes (H, W, C) as one strip (TIFF 6.0); sample_format: 1 whole, 2 signed, 3 real."""
    height, width, count = samples.shape
    bits, end = 8 * samples.itemsize, 8 + 2 + 12 * 10 + 4
    each = (
        struct.pack(f"<{count}H", *[bits] * count),
        struct.pack(f"<{count}H", *[sample_format] * count),
    )
    wide = count > 2  # such lists are stored after the directory
    places = [
        struct.pack("<I", end + number * 2 * count) if wide else one.ljust(4, b"\0")
        for number, one in enumerate(each)
    ]
    extra = b"".join(each) if wide else b""

    def whole(number: int) -> bytes:
        return struct.pack("<I", number)

    tags = [
        (256, 4, 1, whole(width)),
        (257, 4, 1, whole(height)),
        (258, 3, count, places[0]),
        (259, 3, 1, whole(1)),
        (262, 3, 1, whole(2 if count > 2 else 1)),
        (273, 4, 1, whole(end + len(extra))),
        (277, 3, 1, whole(count)),
        (278, 4, 1, whole(height)),
        (279, 4, 1, whole(samples.nbytes)),
        (339, 3, count, places[1]),
    ]
    entries = b"".join(struct.pack("<HHI", *tag[:3]) + tag[3] for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    path.write_bytes(head + extra + samples.tobytes())


def test_the_tiffs_of_these_tests_are_some(tmp_path: Path) -> None:
    write_tiff(tmp_path / "plain.tif", RGB, 1)
    assert (read_whole_image(tmp_path / "plain.tif") == RGB).all()
    write_tiff(tmp_path / "deep.tif", RGB.astype("<u2") * 257, 1)
    assert (read_whole_image(tmp_path / "deep.tif") == RGB).all()
    write_tiff(tmp_path / "grey.tif", RGB[..., :1].astype("<f4") / 255, 3)
    assert (np.asarray(PIL.Image.open(tmp_path / "grey.tif")) <= 1).all()
    assert (read_whole_image(tmp_path / "grey.tif") == RGB[..., :1]).all()


@pytest.mark.parametrize(
    ("kind", "sample_format", "channels", "reason"),
    [
        ("<f4", 3, 3, "colours in real numbers of 32 bits"),
        ("<f4", 3, 4, "colours in real numbers of 32 bits"),
        ("<f2", 3, 3, "colours in real numbers of 16 bits"),
        ("<u4", 1, 3, "colours in whole numbers of 32 bits"),
        ("<f8", 3, 1, "grey in real numbers of 64 bits"),
    ],
)
def test_numbers_that_cannot_be_read_are_the_reason(
    tmp_path: Path, kind: str, sample_format: int, channels: int, reason: str
) -> None:
    write_tiff(tmp_path / "deep.tif", np.ones((16, 16, channels), kind), sample_format)
    with pytest.raises(MediaError) as refused:
        read_image(tmp_path / "deep.tif", 16)
    assert str(refused.value) == (
        f"deep.tif: {reason} cannot be read; only integers of 8 and 16 bits can"
    )
