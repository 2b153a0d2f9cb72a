"""HEIC files written box by box (ISO/IEC 23008-12), with pictures coded by x265."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from support.movies import video_stream


@dataclass
class Item:
    """A picture item in the file."""

    kind: bytes  # hvc1 or grid
    data: bytes
    properties: list[bytes]  # boxes
    refers: tuple[bytes, tuple[int, ...]] | None = None  # dimg or auxl, and the items referred to


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def ispe(width: int, height: int) -> bytes:
    return box(b"ispe", struct.pack(">III", 0, width, height))


def irot(quarters: int) -> bytes:
    return box(b"irot", bytes([quarters]))


def imir(axis: int) -> bytes:
    return box(b"imir", bytes([axis]))


def colr(profile: bytes) -> bytes:
    return box(b"colr", b"prof", profile)


def auxc() -> bytes:
    return box(b"auxC", bytes(4), b"urn:mpeg:hevc:2015:auxid:1\0")


def coded(path: Path, picture: NDArray[np.uint8], *properties: bytes) -> Item:
    """Codes a picture (H, W, 3) losslessly in full range as an item."""
    with av.open(str(path), "w") as container:
        parameters = "lossless=1:log-level=none:range=full:colormatrix=smpte170m:info=0"
        options = {"x265-params": f"{parameters}:pools=none:frame-threads=1:bframes=0"}
        stream = video_stream(container, "libx265", picture.shape[:2], "yuv444p", **options)
        stream.codec_context.codec_tag = "hvc1"
        stream.codec_context.color_range, stream.codec_context.colorspace = 2, 6
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv444p", dst_colorspace=5, src_color_range=2, dst_color_range=2
        )
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    at = data.index(b"hvcC") - 4
    config = data[at : at + int.from_bytes(data[at : at + 4], "big")]
    with av.open(str(path)) as container:
        sample = next(bytes(packet) for packet in container.demux() if packet.size)
    height, width, _ = picture.shape
    return Item(b"hvc1", sample, [config, ispe(width, height), *properties])


def grid(rows: int, columns: int, width: int, height: int, *properties: bytes) -> Item:
    """Returns a picture composed of rows x columns tiles, which are the items after it."""
    data = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    tiles = tuple(range(2, 2 + rows * columns))
    return Item(b"grid", data, [ispe(width, height), *properties], (b"dimg", tiles))


def write_heic(path: Path, *items: Item) -> Path:
    """Writes items 1, 2, 3 ...; the first is the primary picture."""
    types = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    meta = _meta(items, [0] * len(items))
    start, starts = len(types) + len(meta) + 8, []
    for item in items:
        starts.append(start)
        start += len(item.data)
    data = b"".join(item.data for item in items)
    path.write_bytes(types + _meta(items, starts) + box(b"mdat", data))
    return path


def _meta(items: tuple[Item, ...], starts: list[int]) -> bytes:
    numbered = list(enumerate(items, 1))
    infos = [
        box(b"infe", struct.pack(">B3xHH", 2, number, 0), item.kind, b"\0")
        for number, item in numbered
    ]
    references = [
        box(item.refers[0], struct.pack(f">HH{len(item.refers[1])}H", number,
            len(item.refers[1]), *item.refers[1]))
        for number, item in numbered
        if item.refers is not None
    ]  # fmt: skip
    properties = [prop for item in items for prop in item.properties]
    owned, at = b"", 1
    for number, item in numbered:
        owned += struct.pack(">HB", number, len(item.properties))
        owned += bytes(range(at, at + len(item.properties)))
        at += len(item.properties)
    places = b"".join(
        struct.pack(">HHHII", number, 0, 1, start, len(item.data))
        for (number, item), start in zip(numbered, starts, strict=True)
    )
    return box(
        b"meta",
        bytes(4),
        box(b"hdlr", bytes(8), b"pict", bytes(13)),
        box(b"pitm", bytes(4), struct.pack(">H", 1)),
        box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", len(items)), places),
        box(b"iinf", bytes(4), struct.pack(">H", len(items)), *infos),
        *([box(b"iref", bytes(4), *references)] if references else []),
        box(
            b"iprp",
            box(b"ipco", *properties),
            box(b"ipma", bytes(4), struct.pack(">I", len(items)), owned),
        ),
    )
