"""Line charts as SVG text for embedding in an HTML page; the page colours text and grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

import numpy as np

WIDTH: Final = 860
HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 34
_MAX_POINTS: Final = 1000  # a longer series is averaged: no screen shows more


@dataclass(frozen=True, slots=True)
class Series:
    """One line: a value for every frame, None if it is missing."""

    label: str
    values: Sequence[float | None]
    colour: str  # CSS
    dots: Sequence[str] | None = None  # a CSS colour for every value: dots on the line


def line_chart(series: Sequence[Series], *, x_label: str, y_label: str) -> str:
    """Returns an SVG element with one line per series over the frames 0, 1, 2 ..."""
    known = [value for one in series for value in one.values if value is not None]
    frames = max(len(one.values) for one in series)
    y_ticks = nice_ticks(min(known), max(known), about=5)
    low, high = min(y_ticks[0], *known), max(y_ticks[-1], *known)

    def x(frame: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * frame / max(1, frames - 1)

    def y(value: float) -> float:
        return _TOP + (HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y_label)}">',
        *(_horizontal_line(y(tick), _number(tick)) for tick in y_ticks),
        *(
            f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - _BOTTOM + 16}" '
            f'text-anchor="middle">{_number(tick)}</text>'
            for tick in nice_ticks(0, max(1, frames - 1), about=8)
            if tick == int(tick)
        ),
        f'<text class="label" x="{WIDTH - _RIGHT}" y="{HEIGHT - 4}" text-anchor="end">'
        f"{escape(x_label)}</text>",
        f'<text class="label" x="{_LEFT}" y="{_TOP - 3}">{escape(y_label)}</text>',
    ]
    for one in series:
        points = _averaged(one.values)
        path = " ".join(f"{x(frame):.1f},{y(value):.1f}" for frame, value in points)
        parts.append(f'<polyline points="{path}" stroke="{one.colour}"/>')
        if one.dots is not None and len(one.values) <= _MAX_POINTS:
            parts.extend(
                f'<circle cx="{x(frame):.1f}" cy="{y(value):.1f}" r="3" fill="{colour}"/>'
                for frame, (value, colour) in enumerate(zip(one.values, one.dots, strict=True))
                if value is not None
            )
    return "\n".join([*parts, "</svg>"])


def nice_ticks(low: float, high: float, *, about: int) -> list[float]:
    """Returns round numbers, spaced by 1, 2 or 5 times a power of ten, from low to high.

    The first is at most `low` and the last at least `high`; there are always at least two.
    """
    span = max(high - low, 1e-9 * max(abs(low), abs(high)), 1e-9)
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(
        factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= about * 1.001
    )
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def _averaged(values: Sequence[float | None]) -> list[tuple[float, float]]:
    """Returns (frame, value) points: all known values, or their means over equal stretches."""
    stretch = math.ceil(len(values) / _MAX_POINTS)
    points = []
    for start in range(0, len(values), stretch):
        known = [value for value in values[start : start + stretch] if value is not None]
        if known:
            points.append((start + (stretch - 1) / 2, float(np.mean(known))))
    return points


def _horizontal_line(y: float, label: str) -> str:
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    )


def _number(value: float) -> str:
    return f"{value:g}"
