"""Where files end that consist of little more than frames: found by going from frame to frame.

Y4M       a header, then frames of one size, each after a line      (yuv4mpeg(5))
raw DV    frames of one size, which depends on system and content   (IEC 61834-2, SMPTE 314M)
AV1       units with their lengths, or temporal units with theirs   (AV1, 5.3 and annex B)
MPEG-TS   packets of one size                                       (ISO/IEC 13818-1, 2.4.3.2)
MPEG-PS   packs and packets with their lengths                      (ISO/IEC 13818-1, 2.5.3)
"""

from __future__ import annotations

import re
from typing import BinaryIO, Final

_LONGEST_LINE: Final = 2**12
# Chroma subsampling: how many pixels across and down share one chroma sample.
_CHROMA: Final = {"420": (2, 2), "411": (4, 1), "422": (2, 1), "444": (1, 1)}
_PACKETS: Final = (188, 192, 204)  # bytes; plain, on Blu-ray, and with parity
_SYNC: Final = 0x47
_START: Final = b"\0\0\1"
_END, _PACK = 0xB9, 0xBA
_DIF_SEQUENCE: Final = 12_000  # bytes; ten make a frame of 525 lines, twelve one of 625
_DV_STYPE: Final = 5 * 80 + 48 + 3  # byte of a VAUX source pack with the type of content
_DV_CHANNELS: Final = {0x04: 2, 0x14: 4, 0x18: 4}  # 50 and 100 Mbit/s


def y4m_end(file: BinaryIO, size: int) -> int:
    """Returns where the last frame that begins in a Y4M file ends."""
    file.seek(0)
    header = file.readline(_LONGEST_LINE)
    picture = _y4m_picture(header.decode("ascii", "replace"))
    at = len(header)
    while picture and at < size:
        file.seek(at)
        line = file.readline(_LONGEST_LINE)
        if not line.startswith(b"FRAME"[: len(line)]):
            break  # appended data
        at += max(len(line), len(b"FRAME\n")) + picture
    return at


def _y4m_picture(header: str) -> int:
    """Returns the bytes of a picture; 0 if unknown."""
    told = {word[0]: word[1:] for word in header.split()[1:] if word}
    space = told.get("C", "420jpeg")
    try:
        width, height = int(told["W"]), int(told["H"])
    except (KeyError, ValueError):
        return 0
    deep = re.search(r"(?:p|mono)(9|1\d)$", space)
    samples = width * height
    if not space.startswith("mono"):
        if space[:3] not in _CHROMA:
            return 0
        across, down = _CHROMA[space[:3]]
        samples += 2 * (-(-width // across) * -(-height // down))
        samples += width * height if space == "444alpha" else 0
    return samples * (2 if deep else 1)


def dv_end(file: BinaryIO, size: int) -> int:
    """Returns where the last frame that begins in a raw DV file ends."""
    file.seek(0)
    head = file.read(_DV_STYPE + 1)
    if len(head) <= _DV_STYPE:
        return 0
    frame = _DIF_SEQUENCE * (12 if head[3] & 0x80 else 10)
    frame *= _DV_CHANNELS.get(head[_DV_STYPE] & 0x1F, 1)
    return -(-size // frame) * frame


def units_end(file: BinaryIO, size: int) -> int:
    """Returns where the last AV1 unit that begins in a file ends; each states its length."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(10)
        if head[0] & 0x81:  # forbidden and reserved bits: appended data
            break
        if not head[0] & 2:  # without a length: up to the end
            break
        extended = 1 + (head[0] >> 2 & 1)
        length, taken = _leb128(head[extended:])
        at += extended + taken + length
    return at


def temporal_units_end(file: BinaryIO, size: int) -> int:
    """Returns the same for AV1's annex B."""
    at = 0
    while at < size:
        file.seek(at)
        length, taken = _leb128(file.read(8))
        at += taken + length
    return at


def transport_end(file: BinaryIO, size: int) -> int:
    """Returns where the last packet of a transport stream ends.

    A recorder stops after any packet; an interrupted copy stops anywhere.
    """
    file.seek(0)
    head = file.read(2 * max(_PACKETS) + 5)
    for packet in _PACKETS:
        start = 4 if packet == 192 else 0
        if len(head) > start + packet and head[start] == head[start + packet] == _SYNC:
            return -(-size // packet) * packet
    return 0


def program_end(file: BinaryIO, size: int) -> int:
    """Returns where the last packet of a program stream ends."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(14)
        if not head.startswith(_START[: len(head)]) or (len(head) > 3 and head[3] < _END):
            break
        if len(head) > 3 and head[3] == _END:
            at += 4
        elif len(head) < 14:
            return at + 14
        elif head[3] == _PACK:
            at += 12 if head[4] >> 4 == 2 else 14 + (head[13] & 7)  # MPEG-1, MPEG-2
        else:
            at += 6 + int.from_bytes(head[4:6], "big")
    return at


def _leb128(data: bytes) -> tuple[int, int]:
    """Returns a number and its length (AV1, 4.10.5); if it is cut, one byte more than there are."""
    value = 0
    for index, byte in enumerate(data[:8]):
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, index + 1
    return value, len(data) + 1
