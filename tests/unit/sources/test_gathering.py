"""Sources are gathered from the frames of a video so far."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from motioncast.sources import Gathering, GatherSettings, misfit
from motioncast.wire.errors import InvalidInputError


def mouth(opening: float) -> NDArray[np.float32]:
    return np.array([[-1, 0, 0], [1, 0, 0], [0, opening, 0], [0, -opening, 0]], np.float32)


def test_the_first_frame_is_source_0() -> None:
    gathering = Gathering()
    assert gathering.see(0, mouth(0.1)) == 0
    np.testing.assert_array_equal(gathering.sources, [mouth(0.1)])


def test_a_frame_that_no_source_shows_becomes_one() -> None:
    gathering = Gathering(settings=GatherSettings(threshold=0.1, rest_frames=1))
    residual = misfit(mouth(0.1)[None], mouth(0.9)[None], np.ones(4)).residual[0, 0]
    assert residual > 0.1
    openings = (0.1, 0.15, 0.9, 0.85, 0.12)
    assert [gathering.see(t, mouth(one)) for t, one in enumerate(openings)] == [
        0,
        None,
        1,
        None,
        None,
    ]


def test_two_of_them_are_some_frames_apart() -> None:
    gathering = Gathering(settings=GatherSettings(threshold=0, rest_frames=5))
    seen = [gathering.see(t, mouth(0.1 + 0.04 * t)) for t in range(18)]
    assert [t for t, source in enumerate(seen) if source is not None] == [0, 5, 10, 15]


def test_frames_that_are_not_sent_count_in_between() -> None:
    gathering = Gathering(settings=GatherSettings(threshold=0, rest_frames=6))
    seen = {t: gathering.see(t, mouth(0.1 + 0.04 * t)) for t in range(0, 18, 4)}
    assert [t for t, source in seen.items() if source is not None] == [0, 8, 16]


def test_there_are_no_more_than_wanted() -> None:
    gathering = Gathering(settings=GatherSettings(sources=2, threshold=0, rest_frames=1))
    seen = [gathering.see(t, mouth(0.1 + 0.1 * t)) for t in range(8)]
    assert seen == [0, 1, *[None] * 6]


@pytest.mark.parametrize("count", [0, 5])
def test_so_many_are_refused(count: int) -> None:
    with pytest.raises(InvalidInputError, match=rf"sources: {count} is out of range \[1, 4\]"):
        GatherSettings(sources=count)
