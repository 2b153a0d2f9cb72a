"""Converts residuals on the lattice to quantised coefficients and back, using only integers.

    forwards    y = M r,  q = sign(y) floor(|y| / step + 0.3)     M: rows of length 1
    backwards   r = M^T (q step), to the nearest point of the lattice

A coefficient below 0.7 steps becomes 0: keypoints are detected afresh in every frame, and most of
their movement is noise from that; a wider dead zone with a finer step costs fewer bits for the same
error. Rows are integers in units of 2^-14, so sums of products are exact, and the receiver's
keypoints are points of the lattice: no machine-dependent rounding ever reaches a reference.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from motioncast.codec.lattice import UNIT, Lattice, clip_lattice
from motioncast.codec.tables import CodecTables, Integers

MAX_MAGNITUDE: Final = (1 << 20) - 1  # of a quantised coefficient; sums stay below 2^62

# Step multipliers of each coarseness in 1/256: half an octave apart, 2 is the step of the tables.
MULTIPLIERS: Final = (128, 181, 256, 362, 512, 724, 1024, 1448)

_ZERO_TENTHS: Final = 7  # the dead zone ends at 0.7 steps
_ROW_BITS: Final = UNIT.bit_length() - 1


def steps_at(tables: CodecTables, coarseness: int) -> Integers:
    """Returns the step sizes (C,) for a packet's coarseness, 0 to 7."""
    steps: Integers = np.maximum(tables.steps * MULTIPLIERS[coarseness] + 128 >> 8, 1)
    return steps


def quantise(tables: CodecTables, residual: Lattice, steps: Integers) -> Integers:
    """Returns the quantised coefficients (..., C) of residuals (..., 3K)."""
    scaled = residual @ tables.matrix.T  # (..., C) in 2^-14 of the lattice
    whole = steps * UNIT
    magnitude = (np.abs(scaled) * 10 + whole * (10 - _ZERO_TENTHS)) // (whole * 10)
    quantised: Integers = np.sign(scaled) * np.minimum(magnitude, MAX_MAGNITUDE)
    return quantised


def reconstruct(
    tables: CodecTables, reference: Lattice, quantised: Integers, steps: Integers
) -> Lattice:
    """Returns the frames (..., 3K) that coefficients (..., C) produce from their references."""
    scaled = (quantised * steps) @ tables.matrix  # (..., 3K)
    return clip_lattice(reference + (scaled + (UNIT >> 1) >> _ROW_BITS))
