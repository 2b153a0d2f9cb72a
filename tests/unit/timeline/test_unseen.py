"""Which frames a predictor has to see, and when."""

import numpy as np

from motioncast.timeline.span import Span
from motioncast.timeline.unseen import MAX_OBSERVED, Unseen


def stretch(start: int, observed: str) -> Span:
    """Returns a span whose frames are observed where `observed` has a 1."""
    seen = np.array([one == "1" for one in observed])
    indices = np.arange(start, start + len(seen), dtype=np.float32)
    keypoints = np.zeros((len(seen), 1, 3), np.float32)
    keypoints[seen] = indices[seen, np.newaxis, np.newaxis]
    return Span(start, keypoints, seen)


def test_observed_frames_wait_for_a_gap_and_come_with_it() -> None:
    unseen = Unseen(longest_stretch=8)
    assert unseen.plan(stretch(0, "111")).span is None
    plan = unseen.plan(stretch(3, "101"))
    assert (plan.held, plan.gaps) == (0, True)
    assert plan.span is not None
    assert plan.span.start == 0
    assert plan.span.observed.tolist() == [True, True, True, True, False, True]
    unseen.seen()
    assert unseen.span is None


def test_frames_before_the_first_observed_one_are_held_and_never_seen() -> None:
    unseen = Unseen(longest_stretch=8)
    nothing = unseen.plan(stretch(0, "00"))
    assert (nothing.held, nothing.span, unseen.started) == (2, None, False)
    plan = unseen.plan(stretch(2, "010"))
    assert (plan.held, plan.gaps, plan.span and plan.span.start) == (1, True, 3)


def test_frames_that_become_many_are_seen_before_one_call_cannot_have_them() -> None:
    unseen, start = Unseen(longest_stretch=32), 0
    while (plan := unseen.plan(stretch(start, "1" * 32))).span is None:
        start += 32
    assert not plan.gaps
    assert MAX_OBSERVED - 32 < len(plan.span.observed) <= MAX_OBSERVED
