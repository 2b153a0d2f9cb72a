"""The receiver's end: packets in, keypoints of frames out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motioncast.codec.errors import BitstreamError, UnknownReferenceError
from motioncast.codec.lattice import Lattice, from_lattice
from motioncast.codec.memory import Memory
from motioncast.codec.packet import (
    HEADER_BYTES,
    SKIPPING_VERSION,
    FrameReference,
    Header,
    Reference,
    SourceReference,
    parse_header,
    unwrap,
)
from motioncast.codec.range_coder import RangeDecoder
from motioncast.codec.residual import read_gap, read_residual, read_skipped
from motioncast.codec.tables import CodecTables, Kind
from motioncast.codec.transform import reconstruct, steps_at


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One frame of a packet."""

    index: int
    keypoints: NDArray[np.float32]  # (K, 3)
    skipped: int = 0  # frames directly before it that the sender left out on purpose


class KeypointDecoder:
    """Decodes the packets of one session, in whatever order they arrive.

    A packet that cannot be decoded leaves the decoder as it was.

    Args:
        tables: The model's codec tables, the same as the encoder's.
        near: Index close to the first packet's, for a receiver that joins late: packets contain
            the index modulo 65536.
    """

    def __init__(self, tables: CodecTables, near: int = 0) -> None:
        self._tables = tables
        self._memory = Memory(tables.keypoints, near)

    def set_source(self, source: int, keypoints: NDArray[np.float32]) -> None:
        """Takes the keypoints (K, 3) of source 0 to 3, as in the encoder.

        Raises:
            ValueError: They do not fit the model, or the index is not valid.
        """
        self._memory.set_source(source, keypoints)

    def know(self, index: int, keypoints: NDArray[np.float32]) -> None:
        """Takes a frame (K, 3) that was decoded elsewhere, for a resumed session.

        Raises:
            ValueError: It does not fit the model.
        """
        self._memory.keep(index, self._memory.points(keypoints))

    def decode(self, data: bytes) -> list[DecodedFrame]:
        """Returns the frames of a packet, 1 to 8; a frame that is already known is not changed.

        Raises:
            BitstreamError: The bytes are not a valid packet; UnknownReferenceError: they refer to a
                frame or source that is not known, and may be decodable later.
        """
        header = parse_header(data)
        index = unwrap(header.index, self._memory.newest)
        points = self._memory.find(_reference(header, index))
        if points is None:
            what = "source" if header.source is not None else "frame"
            number = header.source if header.source is not None else index - header.distance
            raise UnknownReferenceError(f"packet: refers to {what} {number}, which is unknown")
        body = data[HEADER_BYTES:]
        coder = RangeDecoder(body)
        found = self._read(coder, header, index, points)
        if body.endswith(b"\0") or len(body) > coder.position:
            raise BitstreamError("packet: trailing bytes after the last symbol")
        for number, frame, _ in found:
            self._memory.keep(number, frame)
        return [
            DecodedFrame(number, from_lattice(self._kept(number, frame)), skipped)
            for number, frame, skipped in found
        ]

    def _read(
        self, coder: RangeDecoder, header: Header, index: int, points: Lattice
    ) -> list[tuple[int, Lattice, int]]:
        steps = steps_at(self._tables, header.coarseness)
        kind, found, gap = header.kind, [], max(header.distance, 1)
        for number in range(header.frames):
            if number:
                gap = read_gap(coder)
                index += gap
                kind = Kind.STEP if gap == 1 else Kind.LEAP
            says = header.version == SKIPPING_VERSION
            skipped = read_skipped(coder, gap - 1) if says else 0
            known = number > 0 or header.source is None  # the previous frame, `gap` away
            if skipped > index or (known and skipped >= gap):
                raise BitstreamError(
                    f"packet: {skipped} skipped frames do not fit before frame {index}"
                )
            quantised = read_residual(coder, self._tables, kind)
            points = reconstruct(self._tables, points, quantised, steps)
            found.append((index, points, skipped))
        return found

    def _kept(self, index: int, points: Lattice) -> Lattice:
        kept = self._memory.find(FrameReference(index))
        return points if kept is None else kept


def _reference(header: Header, index: int) -> Reference:
    if header.source is not None:
        return SourceReference(header.source)
    return FrameReference(index - header.distance)
