"""Puts irregular frames on a steady clock: they are repeated or dropped by their timestamps.

Frame n of a session is shown at n / rate. A camera's frames come a little early or late, a
screen recording's only when something moves, a browser's whenever it finds the time. Each is put
in its place, counted from the first, never more than EARLY of an interval before its time or LATE
after it: a frame that is held is repeated, one that comes too soon is dropped. Errors do not add
up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Generic, TypeVar

import numpy as np

T = TypeVar("T")

EARLY: Final = 0.75  # of an interval, beyond which the previous frame is repeated instead
LATE: Final = 0.5  # of an interval, beyond which a frame is dropped; together they absorb jitter
LONGEST_HOLD: Final = 3600.0  # seconds; a longer gap means that the clock was reset
HIGHEST_RATE: Final = Fraction(240)  # frames per second of a session
_WHOLE_RATES: Final = (1, 2, 5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 30, 40, 48, 50, 60, 72, 75, 90)
_RATES: Final = (
    *_WHOLE_RATES,
    100,
    120,
    144,
    240,
    "25/2",
    "24000/1001",
    "30000/1001",
    "60000/1001",
)
STANDARD_RATES: Final = tuple(Fraction(rate) for rate in _RATES)
_ON_GRID: Final = 0.1  # of an interval


@dataclass(frozen=True, slots=True)
class Timed(Generic[T]):
    """A frame, when it is shown and for how long, in seconds; None if the file does not say."""

    frame: T
    seconds: float | None
    duration: float | None = None


class Clock:
    """Resamples frames to a steady rate.

    Args:
        rate: Frames per second.
        longest_hold: Seconds that a frame may be held. A longer gap means that the file's clock
            was reset, as where broadcasts are spliced; the output continues without it.

    Attributes:
        repeated: Frames inserted so far because the previous one was held.
        dropped: Frames dropped so far because they came too close together.
    """

    def __init__(self, rate: Fraction, longest_hold: float = LONGEST_HOLD) -> None:
        self._rate = float(rate)
        self._longest = longest_hold * self._rate  # in ticks
        self.repeated = 0
        self.dropped = 0

    def spread(self, frames: Iterable[Timed[T]], end: float | None = None) -> Iterator[T]:
        """Yields a frame for every tick, the same object for as long as it is held.

        Args:
            frames: In display order. A frame without a time, or with one that is not after the
                previous frame's, is placed one interval after it.
            end: When the last frame ends, in seconds, if the file says so elsewhere.
        """
        tick, origin, position = 0, None, -1.0  # of the next frame; of the previous one
        current: Timed[T] | None = None
        for timed in frames:
            place = position + 1
            if timed.seconds is not None:
                if origin is not None:
                    place = (timed.seconds - origin) * self._rate
                if origin is None or not 0 < place - position <= max(self._longest, 1):
                    place = position + 1
                    origin = timed.seconds - place / self._rate
            if current is not None:
                for _ in range(self._held(place - tick)):
                    yield current.frame
                    tick += 1
            if place - tick <= -LATE:
                self.dropped += 1
            else:
                yield timed.frame
                tick += 1
            current, position = timed, place
        if current is None or position == 0:  # a single frame is a picture, whatever its duration
            return
        last = position + (current.duration or 1 / self._rate) * self._rate
        if end is not None and origin is not None:
            last = max(last, (end - origin) * self._rate)
        for _ in range(self._held(last - tick)):
            yield current.frame

    def _held(self, ticks: float) -> int:
        """Returns how many ticks are filled with the previous frame, and counts them."""
        if not EARLY < ticks <= self._longest:
            return 0
        self.repeated += round(ticks)
        return round(ticks)


def session_rate(seconds: Sequence[float], declared: Sequence[Fraction | None]) -> Fraction | None:
    """Returns the rate for frames that are shown at these times, in frames per second.

    This is a declared rate if the frames keep to it; else the standard rate nearest to the
    usual interval between neighbours. None if neither is known, or frames are hours apart.

    Args:
        seconds: When frames are shown, in any order.
        declared: Rates that the file states, the most likely first.
    """
    rates = [rate for rate in declared if rate]
    times = np.unique(np.asarray(seconds, np.float64))
    if len(times) < 2:
        return min(rates[0], HIGHEST_RATE) if rates else None
    intervals = np.diff(times)
    # Held frames say nothing about the rate. Use an actual interval, so that some are close to it.
    usual = float(np.quantile(intervals, 0.25, method="lower"))
    for rate in rates:
        places = (times - times[0]) * float(rate)
        on_grid = np.abs(places - places.round()) < _ON_GRID
        if 0.8 < float(rate) * usual < 1.25 and on_grid.mean() > 0.9:
            return min(rate, HIGHEST_RATE)
    near = intervals[(intervals > 0.6 * usual) & (intervals < 1.6 * usual)]
    found = 1 / float(near.mean())
    nearest = min(STANDARD_RATES, key=lambda rate: abs(float(rate) / found - 1))
    if abs(float(nearest) / found - 1) < 0.04:
        return nearest
    return min(Fraction(found).limit_denominator(1000), HIGHEST_RATE) or None
