"""The keypoints of a source on their own, without tables or history: the start of a session.

    lattice (3K) -> each value minus the previous keypoint's, of its kind -> Rice codes -> bytes

Kinds are x, y and intensity, in turn; the first of each is minus 0. Differences 0, -1, 1, -2, ...
are mapped to n = 0, 1, 2, 3, ...; with parameter k, 4 bits before the kind, n is coded as n >> k
one bits, a zero bit, and its last k bits. Bits are written by the range coder (docs/bitstream.md).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.codec.errors import BitstreamError
from motioncast.codec.lattice import clip_lattice, from_lattice, to_lattice
from motioncast.codec.range_coder import RangeDecoder, RangeEncoder
from motioncast.codec.tables import MAX_KEYPOINTS

MAX_SOURCE_BYTES: Final = 2048  # enough for 256 keypoints anywhere

_KINDS: Final = 3
_PARAMETERS: Final = 16
_LARGEST: Final = 1 << 17  # upper bound of a mapped difference


def encode_source(keypoints: NDArray[np.float32]) -> bytes:
    """Returns keypoints (K, 3) on the lattice as bytes.

    Raises:
        ValueError: The keypoints are invalid, or more than 256.
    """
    points = to_lattice(keypoints).reshape(-1, _KINDS)
    if len(points) > MAX_KEYPOINTS:
        raise ValueError(f"keypoints: {len(points)}, the limit is {MAX_KEYPOINTS}")
    coder = RangeEncoder()
    for values in points.T:
        changes = np.diff(values, prepend=0)
        folded = np.where(changes >= 0, 2 * changes, -2 * changes - 1)
        costs = [int((folded >> k).sum()) + (1 + k) * len(folded) for k in range(_PARAMETERS)]
        k = costs.index(min(costs))
        coder.encode_bits(k, 4)
        for number in folded.tolist():
            for _ in range(number >> k):
                coder.encode_bits(1, 1)
            coder.encode_bits(0, 1)
            if k:
                coder.encode_bits(number & (1 << k) - 1, k)
    return coder.finish()


def decode_source(data: bytes, keypoints: int) -> NDArray[np.float32]:
    """Returns the keypoints (K, 3) in the bytes, exactly as on the lattice.

    Raises:
        BitstreamError: The bytes do not encode that many keypoints.
    """
    if len(data) > MAX_SOURCE_BYTES:
        raise BitstreamError(f"source: {len(data)} bytes, the limit is {MAX_SOURCE_BYTES}")
    coder = RangeDecoder(data)
    points = np.empty((keypoints, _KINDS), np.int64)
    for values in points.T:
        k, value = coder.decode_bits(4), 0
        for place in range(keypoints):
            number = _number(coder, k)
            value += number >> 1 if number % 2 == 0 else -(number >> 1) - 1
            values[place] = value
    flat = points.reshape(-1)
    if data.endswith(b"\0") or len(data) > coder.position:
        raise BitstreamError("source: trailing bytes after the last symbol")
    if not np.array_equal(clip_lattice(flat), flat):
        raise BitstreamError("source: a value is out of range")
    return from_lattice(flat)


def _number(coder: RangeDecoder, k: int) -> int:
    ones = 0
    while coder.decode_bits(1):
        ones += 1
        if ones << k >= _LARGEST:
            raise BitstreamError("source: a number is too large")
    return ones << k | (coder.decode_bits(k) if k else 0)
