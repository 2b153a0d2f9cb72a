"""The sender's end: keypoints of frames in, packets out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from motioncast.codec.errors import EncodingError
from motioncast.codec.lattice import Lattice, from_lattice
from motioncast.codec.memory import Memory
from motioncast.codec.packet import (
    DEFAULT_COARSENESS,
    MAX_PACKET_BYTES,
    MAX_SKIPPED,
    SKIPPING_VERSION,
    VERSION,
    FrameReference,
    Header,
    Reference,
    header_of,
)
from motioncast.codec.range_coder import RangeEncoder
from motioncast.codec.residual import write_gap, write_residual, write_skipped
from motioncast.codec.tables import CodecTables, Integers, Kind
from motioncast.codec.transform import quantise, reconstruct, steps_at


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """A packet, and what its receiver decodes from it."""

    data: bytes
    keypoints: NDArray[np.float32]  # (T, K, 3), as they will be decoded
    information_bits: float  # of the frames, without the header and rounding to bytes


class KeypointEncoder:
    """Encodes the frames of one session, in the order of their indices.

    Args:
        tables: The model's codec tables, the same as the decoder's.
    """

    def __init__(self, tables: CodecTables) -> None:
        self._tables = tables
        self._memory = Memory(tables.keypoints)
        self._last = -1

    def __contains__(self, index: int) -> bool:
        """Whether a frame is stored, and may be referred to."""
        return index in self._memory

    def set_source(self, source: int, keypoints: NDArray[np.float32]) -> None:
        """Takes the keypoints (K, 3) of source 0 to 3, as the decoder does before the next packet.

        Raises:
            ValueError: They do not fit the model, or the index is not valid.
        """
        self._memory.set_source(source, keypoints)

    def encode(
        self,
        frames: Sequence[tuple[int, NDArray[np.float32]]],
        reference: Reference,
        coarseness: int = DEFAULT_COARSENESS,
        skipped: Sequence[int] = (),
    ) -> EncodedPacket:
        """Returns a packet of 1 to 8 frames, each with index and keypoints (K, 3).

        Args:
            frames: In order, later than all before; at most 252 apart.
            reference: What the first frame's residual refers to. Each other frame's refers to the
                previous frame in the packet.
            coarseness: 0 to 7, half an octave apart; 2 is the step size of the tables.
            skipped: For each frame, how many directly before it were left out on purpose. If there
                are none, the packet is of version 1, which does not contain this information.

        Raises:
            EncodingError: A frame, the reference, the coarseness or `skipped` is invalid.
            ValueError: The keypoints do not fit the model.
        """
        says = any(skipped)
        header, steps, points, wanted = self._prepared(
            frames, reference, coarseness, SKIPPING_VERSION if says else VERSION
        )
        if says:
            before = -1 if header.source is not None else frames[0][0] - header.distance
            _check_skipped(before, [index for index, _ in frames], skipped)
        first = before = frames[0][0]
        coder, kind, made = RangeEncoder(), header.kind, []
        for number, ((index, _), target) in enumerate(zip(frames, wanted, strict=True)):
            if index != first:
                kind = Kind.STEP if index == before + 1 else Kind.LEAP
                write_gap(coder, index - before)
            if says:
                since = max(header.distance, 1) if index == first else index - before
                write_skipped(coder, skipped[number], since - 1)
            quantised = quantise(self._tables, target - points, steps)
            write_residual(coder, self._tables, kind, quantised)
            points = reconstruct(self._tables, points, quantised, steps)
            made.append(points)
            before = index
        data = header.to_bytes() + coder.finish()
        if len(data) > MAX_PACKET_BYTES:
            raise EncodingError(
                f"frames: {len(frames)} take {len(data)} bytes, the limit is {MAX_PACKET_BYTES}"
            )
        for (index, _), points in zip(frames, made, strict=True):
            self._memory.keep(index, points)
        self._last = frames[-1][0]
        return EncodedPacket(data, from_lattice(np.stack(made)), coder.information_bits)

    def preview(
        self,
        frames: Sequence[tuple[int, NDArray[np.float32]]],
        reference: Reference,
        coarseness: int = DEFAULT_COARSENESS,
    ) -> NDArray[np.float32]:
        """Returns keypoints (T, K, 3) as a packet of these frames would decode; makes no packet.

        Raises as `encode` does.
        """
        _, steps, points, wanted = self._prepared(frames, reference, coarseness)
        made = []
        for target in wanted:
            quantised = quantise(self._tables, target - points, steps)
            points = reconstruct(self._tables, points, quantised, steps)
            made.append(points)
        return from_lattice(np.stack(made))

    def _prepared(
        self,
        frames: Sequence[tuple[int, NDArray[np.float32]]],
        reference: Reference,
        coarseness: int,
        version: int = VERSION,
    ) -> tuple[Header, Integers, Lattice, list[Lattice]]:
        """Returns header, steps (C,), the reference's points (3K,) and the frames', checked."""
        if not frames:
            raise EncodingError("frames: none given, a packet contains at least one")
        header = header_of(len(frames), coarseness, frames[0][0], reference, version)
        self._check_order([index for index, _ in frames])
        points = self._memory.find(reference)
        if points is None:
            raise EncodingError(f"reference: {reference} is not known")
        wanted = [self._memory.points(keypoints) for _, keypoints in frames]
        return header, steps_at(self._tables, coarseness), points, wanted

    def _check_order(self, indices: list[int]) -> None:
        if indices[0] <= self._last:
            raise EncodingError(f"index: {indices[0]} is out of order after {self._last}")
        for before, index in pairwise(indices):
            header_of(1, 0, index, FrameReference(before))  # checks the order and the distance


def _check_skipped(before: int, indices: list[int], skipped: Sequence[int]) -> None:
    befores = [before, *indices]
    fits = len(skipped) == len(indices) and all(
        0 <= count <= min(MAX_SKIPPED, index - last - 1)
        for count, index, last in zip(skipped, indices, befores, strict=False)
    )
    if not fits:
        raise EncodingError(
            f"skipped: {list(skipped)} are not all between the last frame and frames {indices}"
        )
