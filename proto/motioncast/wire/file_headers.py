"""The size to which a picture's file will be decoded, from its header alone.

Decoders of WebP and AVIF allocate memory by the coded picture's own size, before the caller can
check it. So this module reads the coded picture's header: a WebP's chunk, an AVIF's AV1 sequence
header. Only files with one picture are supported, without animations or further items.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_ANIMATED: Final = 0x02  # of VP8X's flags
_SEQUENCE_HEADER: Final = 1  # an OBU's type


class HeaderError(ValueError):
    """A file is not supported."""


def webp_size(data: bytes) -> tuple[int, int]:
    """Returns height and width of a WebP file (RFC 9649) with one picture.

    Raises:
        HeaderError: It is not such a file.
    """
    _require(len(data) >= 30 and data[:4] == b"RIFF" and data[8:12] == b"WEBP")
    kind, start = data[12:16], data[20:30]
    if kind == b"VP8X":
        _require(not start[0] & _ANIMATED)
        width, height = (1 + int.from_bytes(start[i : i + 3], "little") for i in (4, 7))
        return height, width
    if kind == b"VP8L":
        _require(start[0] == 0x2F)
        bits = int.from_bytes(start[1:5], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    _require(kind == b"VP8 " and start[3:6] == b"\x9d\x01\x2a")
    width, height = (size & 0x3FFF for size in struct.unpack("<HH", start[6:10]))
    return height, width


def avif_size(data: bytes) -> tuple[int, int]:
    """Returns height and width of an AVIF file with one item, an AV1 still picture.

    The sequence headers must be of the reduced kind, whose size no frame can override (AV1
    specification, 5.5.1); encoders of still pictures write these.

    Raises:
        HeaderError: It is not such a file.
    """
    try:
        start, end = _extent(data)
        sizes = {_sequence_size(body) for body in _sequence_headers(data[start:end])}
    except (struct.error, IndexError) as error:
        raise HeaderError("cut short") from error
    _require(len(sizes) == 1)
    return sizes.pop()


def _extent(data: bytes) -> tuple[int, int]:
    """Returns where the only item of an AVIF file begins and ends."""
    boxes = _boxes(data)
    _require(boxes.get(b"ftyp", b"")[:4] == b"avif" and b"meta" in boxes)
    inner = _boxes(boxes[b"meta"][4:])
    iloc = inner.get(b"iloc", b"")
    version, sizes = iloc[0], iloc[4:6]
    offset_bytes, length_bytes, base_bytes = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    _require(version in (0, 1) and {offset_bytes, length_bytes, base_bytes} <= {0, 4, 8})
    _require(sizes[1] & 15 == 0)  # no index of extents
    items, rest = int.from_bytes(iloc[6:8], "big"), iloc[10:]
    if version == 1:
        _require(rest[:2] == b"\0\0")  # in the file itself
        rest = rest[2:]
    parts = []
    fields = (2, base_bytes, 2, offset_bytes, length_bytes)  # data reference, base, extents, ...
    for size in fields:
        _require(len(rest) >= size)
        parts.append(int.from_bytes(rest[:size], "big"))
        rest = rest[size:]
    reference, base, extents, offset, length = parts
    _require(items == 1 and extents == 1 and reference == 0 and not rest and length > 0)
    start = base + offset
    _require(start + length <= len(data))
    return start, start + length


def _boxes(data: bytes) -> dict[bytes, bytes]:
    """Returns the boxes of one level by their type; each may occur only once."""
    found: dict[bytes, bytes] = {}
    position = 0
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        _require(8 <= size <= len(data) - position and kind not in found)
        found[kind] = data[position + 8 : position + size]
        position += size
    return found


def _sequence_headers(data: bytes) -> Iterator[bytes]:
    """Yields the sequence headers among the OBUs of an item (AV1 specification, 5.3)."""
    position = 0
    while position < len(data):
        first = data[position]
        _require(first & 0x82 == 0x02)  # no forbidden bit; it has a size
        position += 2 if first & 0x04 else 1  # an extension
        size, position = _leb128(data, position)
        _require(size <= len(data) - position)
        if first >> 3 & 15 == _SEQUENCE_HEADER:
            yield data[position : position + size]
        position += size


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for place in range(4):
        byte = data[position + place]
        value |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return value, position + place + 1
    raise HeaderError("a number is too large")


def _sequence_size(body: bytes) -> tuple[int, int]:
    """Returns height and width from a sequence header of the reduced kind."""
    bits = int.from_bytes(body[:8].ljust(8, b"\0"), "big")

    def take(count: int, after: int) -> int:
        return bits >> 64 - after - count & (1 << count) - 1

    _require(take(2, 3) == 3)  # still_picture, reduced_still_picture_header
    width_bits, height_bits = take(4, 10) + 1, take(4, 14) + 1
    width = take(width_bits, 18) + 1
    return take(height_bits, 18 + width_bits) + 1, width


def _require(holds: bool) -> None:
    if not holds:
        raise HeaderError("not a single-picture file")
