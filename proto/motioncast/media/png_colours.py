"""Colour information of a PNG, apart from an embedded profile (W3C PNG, third edition, 11.3.2).

cICP    primaries and curve by their numbers, takes precedence
iCCP    a profile, which Pillow finds; sRGB: nothing to do
gAMA    the exponent of the values; cHRM: the coordinates of the primaries, used with gAMA
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from motioncast.media.primaries import SRGB, Colours, Places
from motioncast.media.tone import TRANSFERS

PNG: Final = b"\x89PNG\r\n\x1a\n"
_KNOWN: Final = {b"cICP": 4, b"iCCP": 0, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32}  # bytes; 0: any
_MOST_CHUNKS: Final = 1000
_SRGB_GAMMA: Final = 45455  # of 100,000
_GAMMAS: Final = (10_000, 1_000_000)  # values outside are damage
_TOLERANCE: Final = 0.05  # within which libpng considers two gammas equal


def colours_of_png(file: BinaryIO) -> Colours | int | None:
    """Returns what the values of a PNG mean, or the number of its HDR curve; None: sRGB.

    Also None if an embedded profile says it. Leaves the file at any position.
    """
    found = _chunks(file)
    if b"cICP" in found:
        primaries, transfer, matrix, full = found[b"cICP"][:4]
        if matrix == 0 and full == 1:
            if transfer in TRANSFERS:
                return transfer
            if (colours := Colours.of_code_points(primaries, transfer)) is not None:
                return colours
    if b"iCCP" in found or b"sRGB" in found or b"gAMA" not in found:
        return None
    (gamma,) = struct.unpack(">I", found[b"gAMA"][:4])
    like_srgb = abs(gamma / _SRGB_GAMMA - 1) <= _TOLERANCE
    places = _places(found[b"cHRM"]) if b"cHRM" in found else SRGB
    sensible = _GAMMAS[0] <= gamma <= _GAMMAS[1]
    return Colours(places, None if like_srgb or not sensible else 100_000 / gamma)


def _places(chunk: bytes) -> Places:
    numbers = [number / 100_000 for number in struct.unpack(">8I", chunk[:32])]
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    return white, red, green, blue


def _chunks(file: BinaryIO) -> dict[bytes, bytes]:
    """Returns the chunks about colour that precede the picture."""
    found: dict[bytes, bytes] = {}
    file.seek(0)
    if file.read(len(PNG)) != PNG:
        return found
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IDAT":
            break
        size, name = struct.unpack(">I4s", head)
        if name in _KNOWN and size == (_KNOWN[name] or size):
            found[name] = file.read(min(size, 32))
            file.seek(size - len(found[name]) + 4, 1)
        else:
            file.seek(size + 4, 1)
    return found
