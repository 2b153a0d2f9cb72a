"""Keypoints are drawn at their positions, in constant colours."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from motioncast.cli.colours import css, keypoint_colour
from motioncast.cli.drawing import BACKGROUND_BRIGHTNESS, draw_keypoints, pixel_position

GREY = np.full((128, 128, 3), 100, np.uint8)


@pytest.mark.parametrize(
    ("x", "y", "expected"), [(-1, -1, (0, 0)), (1, 1, (255, 127)), (0, 0, (127.5, 63.5))]
)
def test_the_ends_of_the_range_are_the_centres_of_the_outermost_pixels(
    x: float, y: float, expected: tuple[float, float]
) -> None:
    assert pixel_position(x, y, width=256, height=128) == expected


def test_a_disc_is_centred_on_its_keypoint() -> None:
    # (96, 32) of 0..127, in the corner-aligned range.
    keypoints = np.array([[96 / 127 * 2 - 1, 32 / 127 * 2 - 1, 1.0]], np.float32)
    drawn = draw_keypoints(GREY, [keypoints]).astype(float)
    lit = np.abs(drawn - 100 * BACKGROUND_BRIGHTNESS).sum(axis=-1)
    rows, columns = np.indices(lit.shape)
    assert (columns * lit).sum() / lit.sum() == pytest.approx(96, abs=0.3)
    assert (rows * lit).sum() / lit.sum() == pytest.approx(32, abs=0.3)


def test_a_greater_intensity_makes_a_larger_disc() -> None:
    def lit(intensity: float) -> int:
        keypoints = np.array([[0, 0, intensity]], np.float32)
        drawn = draw_keypoints(GREY, [keypoints])
        return int((drawn != round(100 * BACKGROUND_BRIGHTNESS)).any(axis=-1).sum())

    assert lit(0.0) < lit(0.5) < lit(1.0)


def test_the_trail_joins_where_the_keypoint_was() -> None:
    left, right = (np.array([[x, 0, 0.5]], np.float32) for x in (-0.5, 0.5))
    background = round(100 * BACKGROUND_BRIGHTNESS)
    alone = draw_keypoints(GREY, [right])
    trailed = draw_keypoints(GREY, [left, right])
    assert (alone[60:68, 40:80] == background).all()
    assert (trailed[60:68, 40:80] != background).any(axis=(0, 2)).all()


def test_every_keypoint_of_a_large_model_has_its_own_colour() -> None:
    colours = [keypoint_colour(index) for index in range(32)]
    assert all(a != b for a, b in combinations(colours, 2))


def test_css_writes_a_colour_in_hexadecimal() -> None:
    assert css((46, 174, 96)) == "#2eae60"
