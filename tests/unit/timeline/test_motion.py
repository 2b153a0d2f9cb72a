"""Relative motion is the driving video's displacement, added to the source."""

from __future__ import annotations

import numpy as np

from motioncast.timeline.motion import RelativeMotion, relative_motion
from motioncast.timeline.origin import Origin

SOURCE = np.array([[0.5, -0.25, 0.75], [-0.5, 0.0, 0.5]], np.float32)
FIRST = np.array([[0.0, 0.25, 0.5], [0.25, 0.25, 1.0]], np.float32)


def test_the_first_driving_frame_leaves_the_source_where_it_is() -> None:
    moved = RelativeMotion().move(SOURCE, FIRST, observed=True)
    np.testing.assert_array_equal(moved, SOURCE)


def test_the_source_moves_as_the_driving_video_has_moved() -> None:
    motion = RelativeMotion()
    motion.move(SOURCE, FIRST, observed=True)
    now = np.array([[0.125, 0.25, 0.25], [0.25, -0.25, 1.0]], np.float32)
    # source + now - first
    expected = np.array([[0.625, -0.25, 0.5], [-0.5, -0.5, 0.5]], np.float32)
    np.testing.assert_array_equal(motion.move(SOURCE, now, observed=False), expected)


def test_what_leaves_the_range_is_cut() -> None:
    now = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, 0.0]], np.float32)
    expected = np.array([[1.0, -1.0, 1.0], [-1.0, 0.75, 0.0]], np.float32)
    np.testing.assert_array_equal(relative_motion(SOURCE, now, FIRST), expected)


def test_before_the_first_observed_frame_nothing_moves() -> None:
    driving = np.stack([SOURCE, FIRST, FIRST + np.float32(0.125)])
    origins = [Origin.CONCEALED, Origin.OBSERVED, Origin.PREDICTED]
    held, first, moved = RelativeMotion().move_all(SOURCE, driving, origins)
    np.testing.assert_array_equal(held, SOURCE)
    np.testing.assert_array_equal(first, SOURCE)
    np.testing.assert_array_equal(moved, SOURCE + np.float32(0.125))


def test_a_session_moves_in_stretches_as_it_would_in_one_go() -> None:
    driving = np.random.default_rng(7).uniform(-1, 1, (6, 2, 3)).astype(np.float32)
    motion = RelativeMotion()
    parts = [
        motion.move_all(SOURCE, part, [Origin.OBSERVED] * len(part))
        for part in np.split(driving, [1, 4])
    ]
    whole = relative_motion(SOURCE, driving, driving[0])
    np.testing.assert_array_equal(np.concatenate(parts), whole)
