"""Whether a file is as long as its structure says: decoders take a cut one for a shorter video.

    MP4, MOV        consecutive boxes                   (ISO/IEC 14496-12, 4.2)
    Matroska, WebM  the segment's size; in live recordings its blocks (RFC 8794, 6.2)
    AVI             consecutive RIFF chunks
    ASF, WMV        consecutive objects                 (ASF 01.20.05, 2.1)
    FLV             consecutive tags                    (FLV 10.1, annex E.4)
    MXF             keys with lengths and values        (SMPTE 377-1, 6.3)
    Ogg             consecutive pages                   (RFC 3533, 6)
    IVF             frames, each with its length
    GIF             the trailer
    Y4M, DV, AV1    frames and units (`raw_ends`)
    MPEG-TS and PS  packets (`raw_ends`); a recording may end with any of them

Other containers do not say. The numbers of frames and seconds in headers are ignored: edit lists,
frames without data and held frames make them differ even in complete files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from motioncast.media import raw_ends

_SEGMENT: Final = b"\x18\x53\x80\x67"
_CLUSTER: Final = b"\x1f\x43\xb6\x75"
_BOXES: Final = frozenset(
    {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"mfra", b"free", b"skip", b"wide"}
    | {b"meta", b"uuid", b"udta", b"emsg", b"prft"}
)
_RIFF_SLACK: Final = 16  # bytes: some writers count the header, and omit the last padding
_GIF_TRAILER: Final = b";"
_MOST_BOXES: Final = 2**16
_KEY: Final = b"\x06\x0e\x2b\x34"  # SMPTE's
_BEGINNINGS: Final = (  # offset, bytes, FFmpeg's name of the format
    (4, b"ftyp", "mp4"),
    (4, b"moov", "mp4"),
    (4, b"mdat", "mp4"),
    (4, b"wide", "mp4"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (0, b"RIFF", "avi"),
    (0, b"\x30\x26\xb2\x75", "asf"),
    (0, b"FLV", "flv"),
    (0, b"OggS", "ogg"),
    (0, b"DKIF", "ivf"),
    (0, b"GIF8", "gif"),
    (0, b"YUV4MPEG2", "yuv4mpegpipe"),
)


def is_cut_off(path: Path, container: str) -> bool:
    """Returns whether a file ends before it should.

    Args:
        path: The file.
        container: FFmpeg's name of its format, for example `mov,mp4,m4a,3gp,3g2,mj2`.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        for name in container.split(","):
            if name == "gif":
                file.seek(max(0, size - 64))
                return not file.read().rstrip(b"\0").endswith(_GIF_TRAILER)
            if name in _ENDS:
                slack = _RIFF_SLACK if name == "avi" else 0
                return _ENDS[name](file, size) > size + slack
    return False


def is_cut_off_unread(path: Path) -> bool:
    """Returns whether a file that could not even be opened ends before it should.

    An interrupted recording, or a copy of its beginning, has no index that FFmpeg could open.
    """
    with path.open("rb") as file:
        head = file.read(12)
    for at, magic, container in _BEGINNINGS:
        if head[at : at + len(magic)] == magic:
            lacks_index = container == "mp4" and not _has_index(path)
            return lacks_index or is_cut_off(path, container)
    return False


def _has_index(path: Path) -> bool:
    """Returns whether an MP4 has its `moov`, which a camera writes when recording stops."""
    with path.open("rb") as file:
        for _ in range(_MOST_BOXES):
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if head[4:8] == b"moov":
                return True
            if length == 1:
                length = int.from_bytes(head[8:], "big")
            if length < 8 or len(head) < 8:
                return False
            file.seek(length - len(head), 1)
    return True


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
        if length < 8:  # 0: up to the end; else not a box but appended data
            break
        if at + length > size and header[4:8] not in _BOXES:
            break  # also appended data: phones' trailers, tags
        at += length
    return at


def _segment_end(file: BinaryIO, size: int) -> int:
    """Returns where the segment ends, or its last element if its size is unknown."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(12)
        if not head[0]:
            break  # not an element but appended data
        name = 9 - head[0].bit_length()  # bytes of the identifier
        if len(head) <= name:
            return at + name + 1
        if name > 4 or not head[name]:
            break
        length = 9 - head[name].bit_length()  # bytes of the size
        told = int.from_bytes(head[name : name + length], "big") - (1 << 7 * length)
        live = told == (1 << 7 * length) - 1
        if live and not head.startswith((_SEGMENT, _CLUSTER)):
            break
        at += name + length + (0 if live else told)
        if head.startswith(_SEGMENT) and not live:
            break
    return at


def _chunks_end(file: BinaryIO, size: int) -> int:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or length in (0, 2**32 - 1):  # appended data; or never finished
            break
        at += 8 + length + length % 2
    return at


def _objects_end(file: BinaryIO, size: int) -> int:
    at = 0
    while at + 24 <= size:
        file.seek(at + 16)
        length = int.from_bytes(file.read(8), "little")
        if length < 24:  # a live recording, or appended data
            break
        at += length
    return at


def _tags_end(file: BinaryIO, size: int) -> int:
    file.seek(5)
    at = int.from_bytes(file.read(4), "big") + 4
    while at < size:
        file.seek(at)
        head = file.read(4)
        if head[0] & 0x1F not in (8, 9, 18):  # audio, video, data; else appended data
            break
        if len(head) < 4:
            return at + 4
        at += 15 + int.from_bytes(head[1:], "big")
    # The length of the last tag is repeated after it, which some writers omit.
    return at - 4 if at == size + 4 else at


def _values_end(file: BinaryIO, size: int) -> int:
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(25)
        if not head.startswith(_KEY[: len(head)]):  # appended data, or a run-in
            break
        if len(head) < 17:
            return at + 17
        length, wide = head[16], 0
        if length & 0x80:  # in that many bytes
            wide = length & 0x7F
            length = int.from_bytes(head[17 : 17 + wide], "big")
        at += 17 + wide + length
    return at


_ENDS: Final[dict[str, Callable[[BinaryIO, int], int]]] = {
    "mp4": _boxes_end,
    "matroska": _segment_end,
    "avi": _chunks_end,
    "asf": _objects_end,
    "flv": _tags_end,
    "mxf": _values_end,
    "ogg": _pages_end,
    "ivf": _ivf_end,
    "yuv4mpegpipe": raw_ends.y4m_end,
    "dv": raw_ends.dv_end,
    "obu": raw_ends.units_end,
    "av1": raw_ends.temporal_units_end,
    "mpeg": raw_ends.program_end,
    "mpegts": raw_ends.transport_end,
}
