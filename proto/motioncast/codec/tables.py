"""The codec tables of a model: transform, step sizes, and statistics of its keypoints.

    coefficients  = matrix @ residual               of an integer lattice, (C,) from (3K,)
    quantised     = coefficients / step             rounded, with a dead zone around 0
    class         = profile[kind] + 2 (scale - 8)   of each coefficient: how large it will be
    frequencies   = classes[class]                  of its magnitude, 0 to 14 and larger

Each kind of residual has its own statistics: against the previous frame (STEP), an earlier frame
(LEAP), a source (ANCHOR). The scale of a frame, one of 16, measures how much it moves; one step of
it is half an octave, one class a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.codec.errors import TablesError
from motioncast.codec.lattice import UNIT
from motioncast.codec.range_coder import TOTAL, TOTAL_BITS

MAX_KEYPOINTS: Final = 256
MAX_STEP: Final = UNIT
SCALES: Final = 16
MIDDLE_SCALE: Final = 8  # where the profile's classes apply unchanged
CLASSES_PER_SCALE: Final = 2
CLASSES: Final = 64
SYMBOLS: Final = 16  # magnitudes 0 to 14, and one for all larger ones
ESCAPE: Final = SYMBOLS - 1
_COST_BITS: Final = 8  # costs are measured in 1/256 bits

Integers = NDArray[np.int64]


class Kind(IntEnum):
    """What a residual refers to."""

    STEP = 0  # the previous frame
    LEAP = 1  # an earlier frame
    ANCHOR = 2  # a source


@dataclass(frozen=True, eq=False)
class CodecTables:
    """The tables of a model with K keypoints and C <= 3K coefficients.

    Raises:
        TablesError: Shapes or values are invalid.
    """

    keypoints: int  # K
    matrix: Integers  # (C, 3K), rows of length 2^14, orthogonal to each other
    steps: Integers  # (C,) in steps of the lattice
    profiles: Integers  # (3, C) class of each coefficient by kind, at the middle scale
    scales: Integers  # (3, 16) frequencies of the scale by kind
    classes: Integers  # (64, 16) frequencies of the magnitude by class

    def __post_init__(self) -> None:
        _require(1 <= self.keypoints <= MAX_KEYPOINTS, f"keypoints: 1 to {MAX_KEYPOINTS}")
        rows = self.matrix.shape[0] if self.matrix.ndim == 2 else 0
        values = 3 * self.keypoints
        _require(1 <= rows <= values, f"matrix: 1 to {values} rows")
        _shape("matrix", self.matrix, rows, values)
        _range("matrix", self.matrix, -UNIT, UNIT)
        _shape("steps", self.steps, rows)
        _range("steps", self.steps, 1, MAX_STEP)
        _shape("profiles", self.profiles, len(Kind), rows)
        _range("profiles", self.profiles, 0, CLASSES - 1)
        _frequencies("scales", self.scales, len(Kind), SCALES)
        _frequencies("classes", self.classes, CLASSES, SYMBOLS)

    @property
    def coefficients(self) -> int:
        """C."""
        return len(self.steps)

    @cached_property
    def frame_classes(self) -> Integers:
        """The class of every coefficient (3, 16, C) by kind and scale."""
        shift = CLASSES_PER_SCALE * (np.arange(SCALES) - MIDDLE_SCALE)
        classes: Integers = np.clip(self.profiles[:, None] + shift[:, None], 0, CLASSES - 1)
        return classes

    @cached_property
    def class_cumulative(self) -> list[list[int]]:
        """Sums of the frequencies of magnitudes, 17 for each of 64 classes, from 0 to 2^15."""
        return _cumulative(self.classes)

    @cached_property
    def scale_cumulative(self) -> list[list[int]]:
        """Sums of the frequencies of scales, 17 for each of 3 kinds."""
        return _cumulative(self.scales)

    @cached_property
    def class_costs(self) -> Integers:
        """Cost of a magnitude (64, 16), including its sign, in 1/256 bits."""
        costs = _costs(self.classes)
        costs[:, 1:] += 1 << _COST_BITS
        return costs

    @cached_property
    def scale_costs(self) -> Integers:
        """Cost of a scale (3, 16) in 1/256 bits."""
        return _costs(self.scales)


def _require(holds: bool, expected: str) -> None:
    if not holds:
        raise TablesError(f"codec tables: {expected} expected")


def _shape(name: str, values: Integers, *shape: int) -> None:
    _require(
        values.shape == shape and values.dtype == np.int64,
        f"{name}: whole numbers of shape {list(shape)}",
    )


def _range(name: str, values: Integers, lowest: int, highest: int) -> None:
    _require(
        bool((values >= lowest).all() and (values <= highest).all()),
        f"{name}: {lowest} to {highest}",
    )


def _frequencies(name: str, values: Integers, rows: int, symbols: int) -> None:
    _shape(name, values, rows, symbols)
    _range(name, values, 1, TOTAL)
    _require(bool((values.sum(axis=1) == TOTAL).all()), f"{name}: rows that sum to {TOTAL}")


def _cumulative(frequencies: Integers) -> list[list[int]]:
    ends = np.cumsum(frequencies, axis=1)
    return [[0, *row] for row in ends.tolist()]


def _costs(frequencies: Integers) -> Integers:
    costs = [[_cost(value) for value in row] for row in frequencies.tolist()]
    return np.array(costs, np.int64)


def _cost(frequency: int) -> int:
    """Returns -log2(frequency / 2^15) in 1/256 bits, in integer arithmetic: the same everywhere."""
    whole = frequency.bit_length() - 1
    mantissa = frequency << (62 - whole)  # [1, 2) in units of 2^-62
    fraction = 0
    for _ in range(_COST_BITS):
        mantissa = mantissa * mantissa >> 62
        fraction <<= 1
        if mantissa >> 63:
            mantissa >>= 1
            fraction |= 1
    return (TOTAL_BITS - whole << _COST_BITS) - fraction
