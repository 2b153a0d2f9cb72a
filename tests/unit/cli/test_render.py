"""Selection of the frames to show."""

from __future__ import annotations

import numpy as np
import pytest

from motioncast.cli.cast import CastFrame
from motioncast.cli.render import choose
from motioncast.client import Origin

KEYPOINTS = np.zeros((2, 3), np.float32)


def _timeline(observed: int, predicted: int, length: int) -> list[CastFrame]:
    origins = [Origin.OBSERVED] * observed + [Origin.PREDICTED] * predicted
    return [
        CastFrame(index, origins[index % len(origins)], KEYPOINTS, len(origins), 1.0, 1.0)
        for index in range(length)
    ]


@pytest.mark.parametrize(("observed", "predicted"), [(1, 1), (5, 5), (5, 27), (2, 1)])
def test_frames_shown_are_of_both_origins_in_equal_numbers(observed: int, predicted: int) -> None:
    shown = choose(_timeline(observed, predicted, 75), 6)
    assert [frame.origin for frame in shown].count(Origin.PREDICTED) == 3
    assert [frame.origin for frame in shown].count(Origin.OBSERVED) == 3
    assert [frame.index for frame in shown] == sorted({frame.index for frame in shown})


def test_a_video_shorter_than_the_strip_shows_every_frame_once() -> None:
    assert [frame.index for frame in choose(_timeline(1, 1, 2), 6)] == [0, 1]
