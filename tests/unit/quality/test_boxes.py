"""The boxes of mouth, eyes and face."""

from __future__ import annotations

import numpy as np
import pytest

from motioncast.quality.boxes import Box, eyes_box, face_box, motion_in, mouth_box


def test_the_mouth_box_surrounds_what_moves_below_the_middle() -> None:
    frames = np.zeros((8, 3, 60, 60))
    frames[::2, :, 40:46, 20:34] = 1.0  # the mouth
    frames[::2, :, 5:25, 10:50] = 1.0  # something larger above it

    box = mouth_box(frames)

    assert box.left <= 20 < 34 <= box.right
    assert box.top <= 40 < 46 <= box.bottom
    assert (box.right - box.left, box.bottom - box.top) == (20, 12)


def test_the_eyes_are_half_a_box_above_the_mouth() -> None:
    assert eyes_box(Box(20, 36, 40, 48)) == Box(20, 18, 40, 30)
    assert eyes_box(Box(20, 10, 40, 22)) == Box(20, 0, 40, 12)


def test_the_face_is_half_the_frame_around_mouth_and_eyes() -> None:
    assert face_box(Box(20, 36, 40, 48), 60, 60) == Box(15, 18, 45, 48)
    assert face_box(Box(0, 48, 20, 60), 60, 60) == Box(0, 30, 30, 60)


def test_motion_in_a_box_is_the_mean_change_since_the_frame_before() -> None:
    frames = np.zeros((3, 3, 10, 10))
    frames[1, :, 0, 0] = 0.5  # outside the box
    frames[2, :, 4:6, 4:6] = 0.5  # 4 of the box's 16 pixels
    motion = motion_in(Box(3, 3, 7, 7), frames)
    assert motion.tolist() == pytest.approx([0, 0, 0.125])


def test_bytes_do_not_wrap_around() -> None:
    frames = np.zeros((2, 3, 10, 10), np.uint8)
    frames[0] = 200
    assert motion_in(Box(0, 0, 10, 10), frames).tolist() == [0, 200]


def test_one_frame_has_no_box_that_moves() -> None:
    with pytest.raises(ValueError, match="no moving box"):
        mouth_box(np.zeros((1, 3, 60, 60)))
