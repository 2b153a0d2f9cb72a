"""Whether a file is as long as its own structure says: a decoder takes a part for a shorter video.

    MP4, MOV        boxes that follow one another       (ISO/IEC 14496-12, 4.2)
    Matroska, WebM  the segment's size, where it is given (RFC 8794, 6.2)
    AVI             RIFF chunks that follow one another
    Ogg             pages that follow one another       (RFC 3533, 6)
    IVF             frames, each with its length
    GIF             the trailer

Other containers do not say. What the numbers of frames and seconds in headers say is not asked:
edit lists, frames without data and held frames make them differ in files that are whole.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

_SEGMENT: Final = b"\x18\x53\x80\x67"
_BOXES: Final = frozenset(
    {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"mfra", b"free", b"skip", b"wide"}
    | {b"meta", b"uuid", b"udta", b"emsg", b"prft"}
)
_RIFF_SLACK: Final = 16  # bytes: some writers count the header, and leave out the last padding
_GIF_TRAILER: Final = b";"


def is_cut_off(path: Path, container: str) -> bool:
    """Returns whether a file ends before it should.

    Args:
        path: The file.
        container: FFmpeg's name of its format, for example `mov,mp4,m4a,3gp,3g2,mj2`.
    """
    names = container.split(",")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        if "mp4" in names:
            return _boxes_end(file, size) > size
        if "matroska" in names:
            return _segment_end(file) > size
        if "avi" in names:
            return _chunks_end(file, size) > size + _RIFF_SLACK
        if "ogg" in names:
            return _pages_end(file, size) > size
        if "ivf" in names:
            return _ivf_end(file, size) > size
        if "gif" in names:
            file.seek(max(0, size - 64))
            return not file.read().rstrip(b"\0").endswith(_GIF_TRAILER)
    return False


def _pages_end(file: BinaryIO, size: int) -> int:
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(27)
        if not head.startswith(b"OggS"[: len(head)]):  # appended
            break
        if len(head) < 27:
            return at + 27
        lengths = file.read(head[26])
        at += 27 + head[26] + sum(lengths)
    return at


def _ivf_end(file: BinaryIO, size: int) -> int:
    file.seek(6)
    at = int.from_bytes(file.read(2), "little")  # of the file's header
    while at < size:
        file.seek(at)
        at += 12 + int.from_bytes(file.read(4), "little")
    return at


def _boxes_end(file: BinaryIO, size: int) -> int:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:], "big")
        if length < 8:  # 0: up to the end; else no box, but something appended
            break
        if at + length > size and header[4:8] not in _BOXES:
            break  # appended too: phones' trailers, tags
        at += length
    return at


def _segment_end(file: BinaryIO) -> int:
    """Returns where the segment ends; 0 when that is not said, as of live recordings."""
    at = 0
    for _ in range(16):  # the EBML header, perhaps voids, then the segment
        file.seek(at)
        head = file.read(12)
        if len(head) < 2 or not head[0]:
            return 0
        name = 9 - head[0].bit_length()  # bytes of the identifier
        if len(head) <= name or not head[name]:
            return 0
        length = 9 - head[name].bit_length()  # bytes of the size
        told = int.from_bytes(head[name : name + length], "big") - (1 << 7 * length)
        if told == (1 << 7 * length) - 1:
            return 0
        at += name + length + told
        if head.startswith(_SEGMENT):
            return at
    return 0


def _chunks_end(file: BinaryIO, size: int) -> int:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or length in (0, 2**32 - 1):  # appended; or never finished
            break
        at += 8 + length + length % 2
    return at
