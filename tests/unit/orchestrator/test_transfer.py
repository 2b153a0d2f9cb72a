"""Relative motion is the driving video's displacement, added to the source."""

from __future__ import annotations

import numpy as np

from motioncast.orchestrator.transfer import RelativeMotion
from motioncast.v1.common_pb2 import KeypointSet
from motioncast.wire.keypoints import decode_keypoints, encode_keypoints

SOURCE = [[0.5, -0.25, 0.75], [-0.5, 0.0, 0.5]]
FIRST = [[0.0, 0.25, 0.5], [0.25, 0.25, 1.0]]


def message(values: list[list[float]]) -> KeypointSet:
    return encode_keypoints(np.array(values, dtype=np.float32))


def test_the_first_driving_frame_leaves_the_source_where_it_is() -> None:
    motion = RelativeMotion()
    moved = motion.move(message(SOURCE), message(FIRST), observed=True)
    np.testing.assert_array_equal(decode_keypoints(moved, 2), np.array(SOURCE, dtype=np.float32))


def test_the_source_moves_as_the_driving_video_has_moved() -> None:
    motion = RelativeMotion()
    motion.move(message(SOURCE), message(FIRST), observed=True)
    now = [[0.125, 0.25, 0.25], [0.25, -0.25, 1.0]]
    moved = motion.move(message(SOURCE), message(now), observed=False)
    # source + now - first
    expected = np.array([[0.625, -0.25, 0.5], [-0.5, -0.5, 0.5]], dtype=np.float32)
    np.testing.assert_array_equal(decode_keypoints(moved, 2), expected)


def test_what_leaves_the_range_is_cut() -> None:
    motion = RelativeMotion()
    motion.move(message(SOURCE), message(FIRST), observed=True)
    moved = motion.move(
        message(SOURCE), message([[1.0, -1.0, 1.0], [-1.0, 1.0, 0.0]]), observed=True
    )
    expected = np.array([[1.0, -1.0, 1.0], [-1.0, 0.75, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(decode_keypoints(moved, 2), expected)


def test_before_the_first_observed_frame_nothing_moves() -> None:
    motion = RelativeMotion()
    held = motion.move(message(SOURCE), message(SOURCE), observed=False)
    np.testing.assert_array_equal(decode_keypoints(held, 2), np.array(SOURCE, dtype=np.float32))
    motion.move(message(SOURCE), message(FIRST), observed=True)
    moved = motion.move(message(SOURCE), message(FIRST), observed=True)
    np.testing.assert_array_equal(decode_keypoints(moved, 2), np.array(SOURCE, dtype=np.float32))
