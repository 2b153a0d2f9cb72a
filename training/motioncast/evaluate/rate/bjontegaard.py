"""Differences between rate-quality curves (Bjontegaard, VCEG-M33, 2001).

    log10 r = cubic of q through a curve's points
    difference of rate = 10^(mean of the two cubics' difference, over the qualities of both) - 1

and with rate and quality exchanged, the difference of quality at the same rates.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Polynomial

Curve = Sequence[tuple[float, float]]  # rate above 0, quality
Floats = npt.NDArray[np.float64]
DEGREE = 3


def rate_difference(curve: Curve, reference: Curve) -> float | None:
    """Returns a curve's rate relative to the reference's at the same quality, minus 1.

    -0.5 means half the rate. None if the two have no quality in common. Raises ValueError for a
    curve of fewer than 4 points.
    """
    rates, qualities = zip(*(_columns(one) for one in (curve, reference)), strict=True)
    mean = _mean_difference(qualities, rates)
    return None if mean is None else float(10**mean - 1)


def quality_difference(curve: Curve, reference: Curve) -> float | None:
    """Returns how much better a curve is than the reference at the same rate; None as above."""
    rates, qualities = zip(*(_columns(one) for one in (curve, reference)), strict=True)
    return _mean_difference(rates, qualities)


def rate_needed(curve: Curve, quality: float) -> tuple[str, float]:
    """Returns the rate at which a curve reaches a quality, interpolated in log rate.

    It is preceded by "=" when the quality lies between two points, "<" when even the lowest rate
    reaches it, ">" when even the highest rate does not.
    """
    points = sorted(curve)
    if points[0][1] >= quality:
        return "<", points[0][0]
    for (low, below), (high, above) in pairwise(points):
        if above >= quality:
            share = (quality - below) / (above - below)
            return "=", float(low * (high / low) ** share)
    return ">", points[-1][0]


def _columns(curve: Curve) -> tuple[Floats, Floats]:
    if len(curve) <= DEGREE:
        raise ValueError(f"curve: {len(curve)} points are too few (at least {DEGREE + 1})")
    rates, qualities = np.array(sorted(curve)).T
    return np.log10(rates), qualities


def _mean_difference(along: Sequence[Floats], values: Sequence[Floats]) -> float | None:
    """Returns the mean of the first fit minus the second over their common range."""
    low, high = max(one.min() for one in along), min(one.max() for one in along)
    if low >= high:
        return None
    areas = []
    for x, y in zip(along, values, strict=True):
        area = Polynomial.fit(x, y, DEGREE).integ()
        areas.append(area(high) - area(low))
    return float((areas[0] - areas[1]) / (high - low))
