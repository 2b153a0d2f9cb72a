"""The observer of `make chaos` detects foreign, duplicate, missing and wrong frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chaos.visitors import NUMBERS, judge, path
from support.toy_models import toy_frame, toy_path

from motioncast.client import Frame, StageTimings
from motioncast.client.types import Origin

COUNT = 12
OBSERVED = np.array([index % 3 < 2 for index in range(COUNT)])


def frames(number: int) -> list[Frame]:
    """Returns the frames session `number` receives if all is well."""
    expected = toy_path(path(number, COUNT), OBSERVED)
    timings = StageTimings(0, 0, 0, 0, 0, 0, 0, 0, 0)
    return [
        Frame(
            index=index,
            origin=Origin.OBSERVED if OBSERVED[index] else Origin.PREDICTED,
            image=toy_frame(keypoints),
            keypoints=keypoints,
            timings=timings,
            group_frames=3,
        )
        for index, keypoints in enumerate(expected)
    ]


def judged(number: int, came: list[Frame]) -> list[str]:
    expected = toy_path(path(number, COUNT), OBSERVED)
    return [judge(frame, due, expected, OBSERVED) for due, frame in enumerate(came)]


def test_frames_of_the_session_itself_are_right() -> None:
    assert judged(5, frames(5)) == [""] * COUNT


@pytest.mark.parametrize("other", [6, 4, 5 + NUMBERS // 2])
def test_every_frame_of_another_session_is_seen(other: int) -> None:
    assert all(judged(5, frames(other)))


def test_a_frame_twice_and_a_frame_left_out_are_seen() -> None:
    came = frames(5)
    assert judged(5, [*came[:4], came[3]])[4] == "frame 3 came where 4 was due"
    assert judged(5, [*came[:4], came[5]])[4] == "frame 5 came where 4 was due"


def test_an_earlier_frame_under_a_later_number_is_seen() -> None:
    came = frames(5)
    assert judge(replace(came[2], index=7), 7, toy_path(path(5, COUNT), OBSERVED), OBSERVED)


def test_a_frame_that_is_concealed_although_it_was_sent_is_seen() -> None:
    concealed = replace(frames(5)[0], origin=Origin.CONCEALED)
    assert judged(5, [concealed]) == ["frame 0 is concealed, not observed"]
