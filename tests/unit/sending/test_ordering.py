"""Frames in any order are released in order, waiting only for frames that were sent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.codec import DecodedFrame
from motioncast.sending import Ordering
from motioncast.timeline.pattern import Pattern

EVERY = Pattern(1, 0)


def frame(index: int, skipped: int = 0) -> DecodedFrame:
    return DecodedFrame(index, np.zeros((1, 3), np.float32), skipped)


def indices(frames: list[DecodedFrame]) -> list[int]:
    return [one.index for one in frames]


def test_a_frame_waits_for_the_one_before_and_no_longer_than_was_said() -> None:
    ordering = Ordering(EVERY, 0.5)
    assert ordering.take(frame(0), 0.0)
    assert indices(ordering.release(0.0)) == [0]
    assert ordering.take(frame(2), 1.0)
    assert ordering.missing
    assert ordering.due_at() == 1.5
    assert ordering.release(1.25) == []
    assert indices(ordering.release(1.5)) == [2]
    assert not ordering.take(frame(1), 1.75)  # too late


def test_one_that_comes_in_time_goes_first() -> None:
    ordering = Ordering(EVERY, 0.5)
    for index, now in ((1, 0.0), (2, 0.125), (0, 0.25)):
        assert ordering.take(frame(index), now)
    assert indices(ordering.release(0.25)) == [0, 1, 2]
    assert ordering.due_at() is None


def test_what_was_left_out_is_not_waited_for() -> None:
    gated = Ordering(EVERY, 0.5)
    gated.take(frame(0), 0.0)
    gated.take(frame(9, skipped=8), 0.0)
    assert indices(gated.release(0.0)) == [0, 9]
    pattern = Ordering(Pattern(1, 3), 0.5)
    for index in (0, 4, 8):
        pattern.take(frame(index), 0.0)
    assert indices(pattern.release(0.0)) == [0, 4, 8]
    pattern.take(frame(16), 1.0)  # 12 is expected
    assert pattern.release(1.0) == []
    # Pattern and gate combined: 20 was skipped, so 16 was the last one sent.
    pattern.take(frame(24, skipped=7), 1.0)
    assert indices(pattern.release(1.5)) == [16, 24]


def test_the_end_waits_for_nobody() -> None:
    ordering = Ordering(EVERY, 10)
    for index in (7, 3, 5):
        ordering.take(frame(index), 0.0)
    assert indices(ordering.close()) == [3, 5, 7]
    assert ordering.held == 0


@given(st.permutations(range(12)), st.sampled_from([0.0, 0.05, 10.0]))
def test_each_comes_out_once_and_in_order(order: list[int], wait: float) -> None:
    ordering, out, late = Ordering(EVERY, wait), list[int](), set[int]()
    for tick, index in enumerate(order):
        if not ordering.take(frame(index), 0.01 * tick):
            late.add(index)
        out += indices(ordering.release(0.01 * tick))
    out += indices(ordering.close())
    assert out == sorted(set(range(12)) - late)
    assert not late or wait < 1


def test_a_wait_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="wait: 11 s, expected 0 to 10"):
        Ordering(EVERY, 11)
