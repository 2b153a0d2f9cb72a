"""The lateness of groups and its 95th percentile over a window."""

from __future__ import annotations

import random

import pytest

from motioncast.orchestrator.lateness import LEAST_GROUPS, WINDOW_SECONDS, Lateness, Schedule


class Clock:
    """A clock set by the test."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_sender_in_real_time_sees_what_its_groups_take() -> None:
    schedule = Schedule(frame_rate=10)
    came = [0.5 * group for group in range(4)]  # five frames each
    took = [0.1, 0.4, 0.2, 0.3]
    late = [schedule.late(5, at, at + one) for at, one in zip(came, took, strict=True)]
    assert late == pytest.approx(took)


def test_what_is_sent_ahead_is_not_late_before_it_is_due() -> None:
    schedule = Schedule(frame_rate=10)  # a file: ten groups of one second each, all sent at once
    late = [schedule.late(10, 0.0, 0.5 * (group + 1)) for group in range(10)]
    assert late == [0.5] + [0.0] * 9  # made twice as fast as the video runs


def test_a_file_on_a_machine_that_is_too_slow_falls_behind() -> None:
    schedule = Schedule(frame_rate=10)
    late = [schedule.late(10, 0.0, 1.5 * (group + 1)) for group in range(4)]
    assert late == pytest.approx([1.5, 2.0, 2.5, 3.0])  # half a second more per second of video


def test_the_95th_percentile_is_what_95_of_100_are_not_above() -> None:
    lateness = Lateness(Clock())
    values = list(range(1, 101))
    random.Random(1).shuffle(values)
    for value in values:
        lateness.add(value)
    assert lateness.p95() == 95


def test_groups_leave_the_window_and_too_few_tell_nothing() -> None:
    clock = Clock()
    lateness = Lateness(clock)
    for _ in range(LEAST_GROUPS):
        lateness.add(7.0)
    assert lateness.p95() == 7.0
    clock.now = WINDOW_SECONDS + 1
    for _ in range(LEAST_GROUPS - 1):
        lateness.add(1.0)
    assert lateness.p95() is None
    lateness.add(1.0)
    assert lateness.p95() == 1.0
