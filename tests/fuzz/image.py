"""Fuzzes image decoding: pictures must be read at the requested size or refused properly.

The first byte selects a message with one of its encodings, or a file of any format.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import PIL.features
import PIL.Image
from fuzz.fuzzing import Target, refused

from motioncast.client.errors import MediaError
from motioncast.framing import MAX_PIXELS
from motioncast.media.stills import read_image
from motioncast.v1.common_pb2 import Image
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.images import decode_image, decode_picture, encode_image

SIZE: Final = 16
_FOLDER: Final = tempfile.TemporaryDirectory(prefix="motioncast-fuzz-image-")
_FILE: Final = Path(_FOLDER.name, "picture")


def attack(data: bytes) -> bool:
    """Opens a picture; returns whether it was valid."""
    kind, rest = data[:1], data[1:]
    try:
        if kind in b"12345" and kind:
            message = Image(encoding=int(kind), data=rest)  # type: ignore[arg-type]
            picture = decode_picture(message)
            assert picture.shape[0] * picture.shape[1] <= MAX_PIXELS
            assert decode_image(message, *picture.shape[:2]).shape == picture.shape
        else:
            _FILE.write_bytes(rest)
            picture = read_image(_FILE, SIZE)
            assert picture.shape == (SIZE, SIZE, 3)
    except (InvalidInputError, MediaError) as refusal:
        return refused(refusal)
    assert picture.dtype == np.uint8
    return True


def seeds() -> list[bytes]:
    """Returns a small picture in every format this machine can write."""
    ramp = np.arange(32 * 32 * 3, dtype=np.uint16).reshape(32, 32, 3) % 251
    picture = ramp.astype(np.uint8)
    found = [b"%d" % number + encode_image(picture, number).data for number in messages()]
    whole = PIL.Image.fromarray(picture)
    deep = PIL.Image.fromarray(ramp[..., 0].astype(np.uint16))
    for name, image, options in files(whole, deep):
        file = io.BytesIO()
        image.save(file, name, **options)
        found.append(b"f" + file.getvalue())
    return found


def messages() -> list[Any]:
    """Returns the API's file encodings that this machine can write."""
    return [2, 3, 4, *([5] if PIL.features.check("avif") else [])]


def files(
    whole: PIL.Image.Image, deep: PIL.Image.Image
) -> list[tuple[str, PIL.Image.Image, dict[str, Any]]]:
    """Returns format, picture and options of each file to write."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    plain: list[tuple[str, PIL.Image.Image, dict[str, Any]]]
    plain = [(name, whole, {}) for name in ("BMP", "TGA", "PPM", "TIFF", "WEBP", "JPEG2000", "ICO")]
    return [
        *plain,
        ("JPEG", whole, {"exif": exif}),
        ("PNG", whole.convert("RGBA"), {}),
        ("PNG", deep, {}),
        ("TIFF", deep, {"compression": "tiff_lzw"}),
        ("GIF", whole.convert("P"), {"save_all": True, "append_images": [whole.convert("P")]}),
        ("PNG", whole, {"save_all": True, "append_images": [whole.rotate(90)]}),
        *([("AVIF", whole, {})] if PIL.features.check("avif") else []),
    ]


TARGET: Final = Target(attack, seeds, slowest_seconds=10.0)
