"""Motion measurements on clips with known motion and a closed-form detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.toy_models import image_with_points

from motioncast.cli.motion import (
    COMPARED_FRAMES,
    Motion,
    Watcher,
    compared_frames,
    measure_motion,
    motion_rows,
)
from motioncast.client.device import KeypointDetector
from motioncast.quality.agreement import Agreement

Clip = NDArray[np.uint8]
PATH = [2, 4, 7, 9, 12, 9, 7, 4]


def clip(columns: list[int]) -> Clip:
    """Returns a clip of a red point moving along a row and a green point at rest."""
    return np.stack([image_with_points((column, 3), (5, 12)) for column in columns])


@pytest.fixture
def watcher(toy_repository: Path) -> Watcher:
    return Watcher(
        KeypointDetector(toy_repository / "toy_keypoint" / "1" / "model.onnx", threads=1)
    )


def measured(result: Clip, original: Clip, watcher: Watcher) -> tuple[Motion, int]:
    """Returns the measurement and the number of analysed pictures."""
    seen: list[None] = []
    motion = measure_motion(
        result, original, watcher, reconstruction=True, on_frame=lambda: seen.append(None)
    )
    return motion, len(seen)


def test_the_same_motion_is_told_as_such(watcher: Watcher) -> None:
    motion, seen = measured(clip(PATH), clip(PATH), watcher)
    assert (motion.temporal_error, motion.frames, seen) == (0, 7, 14)
    assert motion.keypoints is not None
    assert motion.keypoints.correlation == pytest.approx(1)
    assert motion.keypoints.amplitude == pytest.approx(1)


def test_to_the_left_where_the_other_goes_to_the_right_is_the_opposite(watcher: Watcher) -> None:
    motion, _ = measured(clip([14 - column for column in PATH]), clip(PATH), watcher)
    assert motion.keypoints is not None
    assert motion.keypoints.correlation == pytest.approx(-1)


def test_a_frozen_result_has_an_error_of_one_and_does_not_move(watcher: Watcher) -> None:
    motion, _ = measured(clip([PATH[0]] * 8), clip(PATH), watcher)
    assert motion.temporal_error == pytest.approx(1)
    assert motion.keypoints == Agreement(0, 0)


def test_of_a_session_that_broke_off_what_came_is_compared(watcher: Watcher) -> None:
    motion, _ = measured(clip(PATH[:5]), clip(PATH), watcher)
    assert (motion.temporal_error, motion.frames) == (0, 4)


def test_a_still_original_says_nothing(watcher: Watcher) -> None:
    still = clip([4] * 5)
    motion, _ = measured(still, still, watcher)
    assert motion.temporal_error is None
    assert motion.keypoints is None
    assert motion_rows(motion) == []


def test_without_a_detector_pixels_alone_are_compared() -> None:
    motion, seen = measured(clip(PATH), clip(PATH), Watcher(None, reason="none here"))
    assert motion == Motion(0.0, reason="none here")
    assert seen == 0


@pytest.mark.parametrize("frames", [1, 2])
def test_what_is_too_short_has_a_reason(frames: int, watcher: Watcher) -> None:
    motion, _ = measured(clip(PATH[:frames]), clip(PATH[:frames]), watcher)
    assert motion.keypoints is None
    assert motion.reason is not None


def test_of_a_long_video_frames_are_spread_over_all_of_it() -> None:
    assert compared_frames(1) == []
    assert compared_frames(4) == [1, 2, 3]
    places = compared_frames(10_000)
    assert (len(places), places[0], places[-1]) == (COMPARED_FRAMES, 1, 9_999)
    assert set(np.diff(places).tolist()) == {33, 34}


def test_figures_are_told_as_correlation_times_amplitude() -> None:
    rows = motion_rows(Motion(0.25, 9, Agreement(0.5, 2), Agreement(1, 0.9), None))
    assert [figures for _, figures in rows] == ["0.250", "0.500 x 2.00", "1.000 x 0.90"]
