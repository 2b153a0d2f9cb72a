"""Handles stills that Pillow cannot open: PNGs are read by their picture chunks alone, and TIFFs
whose numbers have no Pillow mode are refused with the reason.

    PNG    signature, then chunks: length, type, data, checksum      (W3C PNG, section 5.3)
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO, Final

import PIL.Image
from PIL import PngImagePlugin, TiffImagePlugin

from motioncast.media.profiles import MAX_PROFILE_BYTES

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PICTURE: Final = frozenset(
    {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"eXIf"}
)
_TIFF: Final = (b"II*\0", b"MM\0*")
_BITS, _SAMPLES, _SAMPLE_FORMAT = 258, 277, 339
_NUMBERS: Final = {2: "signed", 3: "real"}  # all others are unsigned integers


def bare_png(file: BinaryIO) -> PIL.Image.Image | None:
    """Opens a PNG by its picture chunks alone; None if it is not a PNG.

    Pillow refuses pictures whose texts or profile are damaged or inflate to more than a mebibyte.
    A profile of up to MAX_PROFILE_BYTES is kept.

    Raises:
        SyntaxError, ValueError: The picture itself cannot be opened either.
    """
    file.seek(0)
    if file.read(len(_PNG)) != _PNG:
        return None
    kept, profile = BytesIO(_PNG), None
    kept.seek(0, 2)
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        body = file.read(size + 4)
        if name in _PICTURE:
            kept.write(head + body)
        elif name == b"iCCP":
            profile = _profile(body[:-4])
        if name == b"IEND":
            break
    kept.seek(0)
    image = PngImagePlugin.PngImageFile(kept)
    if profile is not None:
        image.info["icc_profile"] = profile
    return image


def _profile(chunk: bytes) -> bytes | None:
    """Returns the profile of an iCCP chunk: name, method, zlib; None if damaged or too large."""
    with suppress(zlib.error):
        inflater = zlib.decompressobj()
        profile = inflater.decompress(chunk.partition(b"\0")[2][1:], MAX_PROFILE_BYTES)
        if inflater.eof:
            return profile
    return None


def why_no_tiff(file: BinaryIO) -> str | None:
    """Returns why Pillow cannot open a TIFF, if its numbers are the reason."""
    file.seek(0)
    head = file.read(8)
    if not head.startswith(_TIFF):
        return None
    with suppress(Exception):  # the file is damaged, which is then the reason
        tags: Any = TiffImagePlugin.ImageFileDirectory_v2(head)
        file.seek(tags.next)
        tags.load(file)
        bits, formats = max(tags.get(_BITS, (1,))), tags.get(_SAMPLE_FORMAT, (1,))
        what = "colours" if tags.get(_SAMPLES, 1) >= 3 else "grey"
        kind = _NUMBERS.get(max(formats), "whole")
        if bits > 16 or kind != "whole":
            problem = f"{what} in {kind} numbers of {bits} bits cannot be read"
            return f"{problem}; only integers of 8 and 16 bits can"
    return None
