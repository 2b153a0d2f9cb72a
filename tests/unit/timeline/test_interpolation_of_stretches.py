"""Interpolated frames and their keypoints do not depend on how a timeline is cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from motioncast.timeline.interpolation import Interpolation, interpolated, worth_waiting
from motioncast.timeline.span import Span


def test_a_frame_half_way_is_the_mean_of_those_around_it() -> None:
    keypoints = np.array([[[0, 0, 1]], [[0, 0, 0]], [[0.5, -1, 0]]], np.float32)
    filled, which = Interpolation(1).fill(Span(7, keypoints, np.array([True, False, True])))
    assert which.tolist() == [False, True, False]
    assert_array_equal(filled[1], [[0.25, -0.5, 0.5]])


@given(
    st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 6), st.integers(0, 2**32 - 1)
)
def test_stretches_that_wait_give_what_the_whole_timeline_gives(
    observed: list[bool], delay: int, seed: int
) -> None:
    seen = np.array(observed)
    keypoints = np.random.default_rng(seed).uniform(-1, 1, (len(seen), 2, 3)).astype(np.float32)
    expected, known = interpolated(keypoints, seen, delay)
    filling, start, parts, which = Interpolation(delay), 0, [], []
    for end in range(1, len(seen) + 1):
        missing = end - start - 1 - int(np.max(np.flatnonzero(seen[start:end]), initial=-1))
        left = worth_waiting(missing, 1, delay) if end < len(seen) else 0
        if left < end - start:
            span = Span(start, keypoints[start : end - left], seen[start : end - left])
            filled, places = filling.fill(span)
            parts.append(filled)
            which.append(places)
            start = end - left
    assert_array_equal(np.concatenate(which), known & ~seen)
    assert_array_equal(np.concatenate(parts), expected)
