"""Comparison pictures: panels side by side, with the origin as their border's colour."""

from __future__ import annotations

import numpy as np
import pytest

from motioncast.cli.colours import ORIGIN_COLOURS
from motioncast.cli.comparison import Sample, compose_frame, compose_strip, enlarge
from motioncast.client import Origin

KEYPOINTS = np.zeros((2, 3), np.float32)


def _sample(origin: Origin = Origin.OBSERVED, size: int = 128) -> Sample:
    original = np.full((size, size, 3), (10, 20, 200), np.uint8)
    result = np.full((size, size, 3), (200, 20, 10), np.uint8)
    return Sample(7, origin, original, result, (KEYPOINTS,))


def _share(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], colour: object) -> float:
    return float((picture == np.asarray(colour)).all(axis=-1).mean())


@pytest.mark.parametrize(("size", "enlarged"), [(16, 256), (64, 256), (128, 256), (300, 300)])
def test_small_frames_are_enlarged_by_a_whole_factor(size: int, enlarged: int) -> None:
    assert enlarge(_sample(size=size).original).shape == (enlarged, enlarged, 3)


@pytest.mark.parametrize("origin", Origin)
def test_the_border_has_the_colour_of_the_origin(origin: Origin) -> None:
    picture = compose_frame(_sample(origin))
    others = [colour for one, colour in ORIGIN_COLOURS.items() if one is not origin]
    # Two borders of six pixels around 256 take two per cent each; the legend takes far less.
    assert _share(picture, ORIGIN_COLOURS[origin]) > 0.04
    assert all(_share(picture, colour) < 0.002 for colour in others)


def test_original_and_result_stand_side_by_side_in_their_own_colours() -> None:
    picture = compose_frame(_sample())
    row = picture[picture.shape[0] // 2]
    (blue,) = np.nonzero((row == (10, 20, 200)).all(axis=-1))
    (red,) = np.nonzero((row == (200, 20, 10)).all(axis=-1))
    assert len(blue) == len(red) == 256
    assert blue.max() < red.min()


def test_a_frame_has_even_sides_as_h264_wants() -> None:
    for size in (16, 63, 128):
        height, width, _ = compose_frame(_sample(size=size)).shape
        assert (height % 2, width % 2) == (0, 0)


def test_a_strip_has_a_column_for_every_frame() -> None:
    one, three = compose_strip([_sample()]), compose_strip([_sample()] * 3)
    column = three.shape[1] - one.shape[1]
    assert column % 2 == 0
    assert column // 2 >= 256
    assert one.shape[0] == three.shape[0] >= 3 * 256
