"""HEIC and AVIF (ISO/IEC 23008-12): finds the pictures in a file, which FFmpeg decodes.

A phone stores a photograph as a grid of tiles, its opacity as a separate picture, and its
orientation separately too. FFmpeg decodes each of them, as a stream with the item's number; the
boxes of `meta`, which are parsed here, say what belongs together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import av
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from motioncast.framing import Picture
from motioncast.media import colour
from motioncast.media.container import open_container
from motioncast.media.errors import MediaError
from motioncast.media.primaries import Colours
from motioncast.media.profiles import Profile

_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif"}
)
_SEQUENCES: Final = frozenset({b"hevc", b"hevx", b"msf1", b"avis"})
_MAX_META: Final = 2**24  # bytes
# Kinds of auxiliary pictures that are opacity: ISO/IEC 23008-12, annex B of HEVC; 23000-22, AVIF.
_ALPHA: Final = frozenset(
    {b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"}
)
_ICC: Final = (b"prof", b"rICC")  # of a colr box


def is_heif(file: BinaryIO, *, moving: bool = False) -> bool:
    """Returns whether a file contains such pictures; leaves it at its beginning.

    Args:
        file: The file.
        moving: Also accept a sequence, represented by its main picture.
    """
    head = file.read(64)
    file.seek(0)
    length = int.from_bytes(head[:4], "big")
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(length, 64), 4))}
    if head[4:8] != b"ftyp" or not brands & _BRANDS:
        return False
    return moving or head[8:12] not in _SEQUENCES


def size(path: Path) -> tuple[int, int]:
    """Returns width and height of the stored picture, in pixels."""
    return _read(path).primary_size()


def picture(path: Path, factor: int = 1) -> Picture:
    """Returns the picture, upright, on the background, (H, W, 3) uint8 RGB.

    Args:
        path: The file.
        factor: How many pixels along each side may be merged into one, if the tiles allow it.

    Raises:
        MediaError, av.FFmpegError, ValueError, KeyError: The file cannot be read.
    """
    items = _read(path)
    opacity = items.alpha()
    wanted = set(items.tiles(items.primary))
    if opacity is not None:
        wanted.update(items.tiles(opacity))
    decoded: dict[int, NDArray[np.uint8]] = {}
    step = _common(factor)
    with open_container(path) as container:
        for packet in container.demux():
            number = packet.stream.id
            if number in decoded or not packet.size or number not in wanted:
                continue
            context = packet.stream.codec_context
            assert isinstance(context, av.VideoCodecContext)
            whole = colour.rgb([*context.decode(packet), *context.decode(None)][0])
            decoded[number] = whole if step == 1 else _reduced(whole, step)
    found = items.joined(items.primary, decoded, step)
    if (profile := items.profile()) is not None:
        found = np.asarray(Profile("RGB", profile).rgb(PIL.Image.fromarray(found)))
    if opacity is not None:
        mask = items.joined(opacity, decoded, step)[..., :1]
        if mask.shape[:2] == found.shape[:2]:
            found = colour.composited(np.concatenate([found, mask], axis=2))
    return items.turned(found)


@dataclass
class _Items:
    """What `meta` says about the pictures, by their item numbers."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    made_of: dict[int, list[int]] = field(default_factory=dict)  # a grid's tiles, in rows
    masks: dict[int, list[int]] = field(default_factory=dict)  # a picture's auxiliaries
    places: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # kind, start, length
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    owned: dict[int, list[int]] = field(default_factory=dict)  # properties, in order
    data: bytes = b""  # idat
    path: Path = Path()

    def primary_size(self) -> tuple[int, int]:
        if self.kinds[self.primary] == b"grid":
            return self.grid(self.primary)[2:]
        for name, body in self.of(self.primary):
            if name == b"ispe":
                return int.from_bytes(body[4:8], "big"), int.from_bytes(body[8:12], "big")
        raise ValueError("a picture without a size")

    def of(self, item: int) -> Iterator[tuple[bytes, bytes]]:
        """Yields the properties of an item."""
        for index in self.owned.get(item, []):
            if 0 < index <= len(self.properties):
                yield self.properties[index - 1]

    def tiles(self, item: int) -> list[int]:
        return self.made_of[item] if self.kinds[item] == b"grid" else [item]

    def alpha(self) -> int | None:
        """Returns the item that holds the primary item's opacity."""
        for item in self.masks.get(self.primary, []):
            if any(
                name == b"auxC" and body[4:].partition(b"\0")[0] in _ALPHA
                for name, body in self.of(item)
            ):
                return item
        return None

    def profile(self) -> bytes | None:
        """Returns the ICC profile of the primary item or its tiles, or one made from numbers."""
        for kinds in (_ICC, (b"nclx",)):
            for item in (self.primary, *self.tiles(self.primary)[:1]):
                for name, body in self.of(item):
                    if name == b"colr" and body[:4] in kinds:
                        return _of_numbers(body) if body[:4] == b"nclx" else body[4:]
        return None

    def grid(self, item: int) -> tuple[int, int, int, int]:
        """Returns rows, columns, width and height of a grid (23008-12, 6.6.2.3)."""
        kind, start, length = self.places[item]
        if kind == 1:
            body = self.data[start : start + length]
        else:
            with self.path.open("rb") as file:
                file.seek(start)
                body = file.read(min(length, 64))
        wide = 4 if body[1] & 1 else 2
        width, height = (int.from_bytes(body[at : at + wide], "big") for at in (4, 4 + wide))
        return body[2] + 1, body[3] + 1, width, height

    def joined(self, item: int, decoded: dict[int, NDArray[np.uint8]], step: int) -> Picture:
        """Returns a picture, assembled from its tiles."""
        if self.kinds[item] != b"grid":
            return decoded[item]
        rows, columns, width, height = self.grid(item)
        tiles = self.made_of[item]
        if len(tiles) != rows * columns:
            raise ValueError(f"{len(tiles)} tiles for {rows} x {columns}")
        bands = [
            np.concatenate([decoded[tile] for tile in tiles[row * columns :][:columns]], axis=1)
            for row in range(rows)
        ]
        return np.concatenate(bands)[: height // step, : width // step]

    def turned(self, picture: Picture) -> Picture:
        """Returns the picture turned and mirrored by `irot` and `imir`, in their order."""
        for name, body in self.of(self.primary):
            if name == b"irot":
                picture = np.rot90(picture, body[0] & 3)  # counter-clockwise
            elif name == b"imir":
                picture = picture[:, ::-1] if body[0] & 1 else picture[::-1]
        return np.ascontiguousarray(picture)


def _read(path: Path) -> _Items:
    items = _Items(path=path)
    with path.open("rb") as file:
        meta = _meta(file)
    for name, body in _boxes(meta[4:]):
        version = body[0] if body else 0
        reader = BytesIO(body[4:])
        if name == b"pitm":
            items.primary = _number(reader, 4 if version else 2)
        elif name == b"iinf":
            for entry, info in _boxes(body[8 if version else 6 :]):
                if entry == b"infe" and info[0] >= 2:
                    wide = 4 if info[0] == 3 else 2
                    number = int.from_bytes(info[4 : 4 + wide], "big")
                    items.kinds[number] = info[6 + wide : 10 + wide]
        elif name == b"iref":
            _references(items, body, 4 if version else 2)
        elif name == b"iloc":
            _locations(items, reader, version)
        elif name == b"idat":
            items.data = body
        elif name == b"iprp":
            _properties(items, body)
    if items.primary not in items.kinds:
        raise MediaError("the main picture is missing")
    return items


def _meta(file: BinaryIO) -> bytes:
    for _ in range(64):
        header = file.read(8)
        length, name = int.from_bytes(header[:4], "big"), header[4:8]
        if length < 8:
            break
        if name == b"meta":
            return file.read(min(length - 8, _MAX_META))
        file.seek(length - 8, 1)
    raise ValueError("no meta box")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        if length < 8:
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + length]
        at += length


def _references(items: _Items, body: bytes, wide: int) -> None:
    for name, reference in _boxes(body[4:]):
        reader = BytesIO(reference)
        source = _number(reader, wide)
        targets = [_number(reader, wide) for _ in range(_number(reader, 2))]
        if name == b"dimg":
            items.made_of[source] = targets
        elif name == b"auxl":
            for target in targets:
                items.masks.setdefault(target, []).append(source)


def _locations(items: _Items, reader: BytesIO, version: int) -> None:
    sizes = _number(reader, 2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(_number(reader, 4 if version == 2 else 2)):
        item = _number(reader, 4 if version == 2 else 2)
        kind = _number(reader, 2) & 15 if version else 0
        reader.read(2)
        start = _number(reader, base)
        for part in range(_number(reader, 2)):
            reader.read(index if version else 0)
            place = start + _number(reader, offset), _number(reader, length)
            if part == 0:
                items.places[item] = (kind, *place)


def _properties(items: _Items, body: bytes) -> None:
    for name, content in _boxes(body):
        if name == b"ipco":
            items.properties = list(_boxes(content))
        elif name == b"ipma":
            reader = BytesIO(content[4:])
            wide = 4 if content[0] else 2
            for _ in range(_number(reader, 4)):
                item = _number(reader, wide)
                count = _number(reader, 1)
                if content[3] & 1:
                    found = [_number(reader, 2) & 0x7FFF for _ in range(count)]
                else:
                    found = [_number(reader, 1) & 0x7F for _ in range(count)]
                items.owned[item] = found


def _number(reader: BytesIO, size: int) -> int:
    data = reader.read(size)
    if len(data) < size:
        raise ValueError("a box ends early")
    return int.from_bytes(data, "big")


def _of_numbers(colr: bytes) -> bytes | None:
    primaries, transfer = (int.from_bytes(colr[at : at + 2], "big") for at in (4, 6))
    colours = Colours.of_code_points(primaries, transfer)
    return None if colours is None else colours.profile()


def _common(factor: int) -> int:
    """Returns the largest power of two up to a factor: tiles are multiples of 64 pixels."""
    return min(64, 1 << max(0, factor.bit_length() - 1))


def _reduced(tile: Picture, step: int) -> Picture:
    height, width = (side // step * step for side in tile.shape[:2])
    return np.asarray(PIL.Image.fromarray(tile[:height, :width]).reduce(step))
