"""Frames on a clock: by definition, frame n is shown at n / rate."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motioncast.media.clock import EARLY, LATE, Clock, Timed, session_rate


def spread(rate: int, times: list[float | None], end: float | None = None) -> list[int]:
    return list(Clock(Fraction(rate)).spread((Timed(i, t) for i, t in enumerate(times)), end))


def test_steady_frames_are_left_alone() -> None:
    clock = Clock(Fraction(30000, 1001))
    times = (Timed(index, 7.5 + index * 1001 / 30000) for index in range(1000))
    assert list(clock.spread(times)) == list(range(1000))
    assert (clock.repeated, clock.dropped) == (0, 0)


def test_a_frame_that_is_held_is_repeated_for_as_long() -> None:
    times = [index / 25 for index in range(20)] + [4.8, 4.84, 4.88, 4.92]
    clock = Clock(Fraction(25))
    shown = list(clock.spread(Timed(index, time) for index, time in enumerate(times)))
    assert shown == [*range(20), *[19] * 100, 20, 21, 22, 23]
    assert (clock.repeated, clock.dropped) == (100, 0)


def test_frames_that_come_too_thick_are_dropped() -> None:
    clock = Clock(Fraction(25))
    shown = list(clock.spread(Timed(index, index / 50) for index in range(100)))
    assert len(shown) == 50
    assert clock.dropped == 50


def test_the_last_frame_is_held_for_its_duration_or_until_the_end() -> None:
    assert (
        list(Clock(Fraction(10)).spread([Timed(0, 0.0, 0.1), Timed(1, 0.1, 2.0)])) == [0] + [1] * 20
    )
    assert spread(25, [0.0, 0.04], end=0.2) == [0, 1, 1, 1, 1]


def test_frames_without_times_follow_one_another() -> None:
    assert spread(25, [None] * 5) == [0, 1, 2, 3, 4]
    assert spread(25, [0.0] * 5) == [0, 1, 2, 3, 4]


def test_a_time_that_goes_back_goes_on_from_there() -> None:
    assert spread(25, [0.0, 0.04, 0.08, 0.0, 0.04, 0.08]) == list(range(6))


def test_a_jump_of_hours_is_a_clock_that_was_set_anew() -> None:
    assert spread(25, [0.0, 0.04, 7200.0, 7200.04, 7200.12]) == [0, 1, 2, 3, 3, 4]
    assert len(spread(25, [0.0, 3599.0])) == 3599 * 25 + 1
    assert spread(25, [0.0, 0.04], end=1e9) == [0, 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.001, 0.5), min_size=2, max_size=60), st.sampled_from([10, 25, 60]))
def test_every_tick_shows_the_frame_that_is_due(intervals: list[float], rate: int) -> None:
    times = np.cumsum([0.0, *intervals]).tolist()
    shown = spread(rate, times)
    for tick, index in enumerate(shown):
        assert times[index] * rate <= tick + EARLY + 1e-6
        assert index + 1 == len(times) or times[index + 1] * rate >= tick - LATE - 1e-6


@pytest.mark.parametrize("hold", [0.2, 40.0, 10800.0])
def test_few_frames_with_a_long_hold_have_the_rate_of_the_others(hold: float) -> None:
    times = [0.0, 0.04, 0.04 + hold]  # no interval is near their mean
    assert session_rate(times, []) == session_rate(times, [Fraction(25)]) == 25


def jittered(rate: float, spread: float) -> list[float]:
    noise = np.random.default_rng(3).uniform(-spread, spread, 200)
    return [index / rate + float(noise[index]) for index in range(200)]


@pytest.mark.parametrize(
    ("times", "declared", "rate", "tolerance"),
    [
        ([i / 25 for i in range(99)], [25], 25, 0),
        ([i * 1001 / 30000 for i in range(99)], [Fraction(30000, 1001)], Fraction(30000, 1001), 0),
        ([round(i / 30, 3) for i in range(99)], [1000], 30, 0),  # milliseconds, as in WebM
        ([i / 25 for i in range(20)] + [4.8, 4.84, 4.88, 4.92], [25, Fraction(150, 31)], 25, 0),
        ([i / 25 for i in range(99)], [50, 25], 25, 0),  # fields
        ([i / 25 for i in range(99) if i % 3], [25], 25, 0),
        (jittered(30, 0.004), [1000, Fraction(2983, 100)], 30, 2e-3),
        ([i / 13.37 for i in range(99)], [Fraction(1337, 100)], Fraction(1337, 100), 0),
        ([i / 1000 for i in range(99)], [1000], 240, 0),
        ([0.0], [25], 25, 0),
        ([], [None, None], None, 0),
        ([0.0, 7200.0], [Fraction(90_000)], None, 0),
    ],
)
def test_the_rate_is_what_the_frames_keep_to(
    times: list[float],
    declared: list[Fraction | None],
    rate: Fraction | None,
    tolerance: float,
) -> None:
    assert session_rate(times, [r and Fraction(r) for r in declared]) == (
        None if rate is None else pytest.approx(float(rate), rel=tolerance)
    )
