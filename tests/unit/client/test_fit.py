from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from motioncast.client import InvalidRequestError, Model, fit
from motioncast.client.pictures import Channels

RED, GREEN, BLUE = (200, 0, 0), (0, 150, 0), (0, 0, 100)
RGB = np.array([[RED, GREEN], [BLUE, RED]], np.uint8)


def test_blue_first_becomes_red_first() -> None:
    assert_array_equal(fit(RGB[:, :, ::-1], channels="bgr"), RGB)


@pytest.mark.parametrize(("channels", "order"), [("rgba", [0, 1, 2]), ("bgra", [2, 1, 0])])
def test_an_alpha_is_left_out(channels: Channels, order: list[int]) -> None:
    picture = np.concatenate([RGB[:, :, order], np.full((2, 2, 1), 7, np.uint8)], axis=2)
    assert_array_equal(fit(picture, channels=channels), RGB)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_grey_is_red_green_and_blue_alike(shape: tuple[int, ...]) -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(shape)
    assert_array_equal(fit(grey, channels="grey"), np.arange(6).reshape(2, 3, 1).repeat(3, 2))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (np.array([0, 65535, 257 * 9], np.uint16), [0, 255, 9]),
        (np.array([0.0, 1.0, 9 / 255], np.float32), [0, 255, 9]),
    ],
)
def test_other_types_are_scaled_to_eight_bits(picture: Any, expected: list[int]) -> None:
    assert_array_equal(fit(picture.reshape(1, 1, 3)), np.reshape(expected, (1, 1, 3)))


def test_the_centre_square_is_taken() -> None:
    wide = np.zeros((4, 10, 3), np.uint8)
    wide[:, 3:7] = RED
    assert_array_equal(fit(wide, 4), np.broadcast_to(RED, (4, 4, 3)))
    assert_array_equal(fit(wide, 2), np.broadcast_to(RED, (2, 2, 3)))


def test_a_model_says_the_size() -> None:
    model = Model("toy", height=8, width=8, keypoints=2)
    assert fit(RGB, model).shape == (8, 8, 3)


def test_the_result_is_a_copy() -> None:
    picture = RGB.copy()
    fit(picture)[:] = 0
    assert_array_equal(picture, RGB)


@pytest.mark.parametrize(
    ("picture", "arguments", "sentence"),
    [
        (
            RGB,
            {"channels": "hsv"},
            "channels: 'hsv' is unknown (expected one of rgb, bgr, rgba, bgra, grey)",
        ),
        (RGB[0], {}, "frame: shape (2, 3), but a picture of 'rgb' is (H, W, 3)"),
        (RGB, {"channels": "bgra"}, "frame: shape (2, 2, 3), but a picture of 'bgra' is (H, W, 4)"),
        (RGB[:0], {}, "frame: shape (0, 2, 3), but a picture of 'rgb' is (H, W, 3)"),
        (RGB / np.float64(100), {}, "frame: a value is out of range [0, 1]"),
        (RGB * np.nan, {}, "frame: a value is out of range [0, 1]"),
        (
            RGB.astype(np.int64),
            {},
            "frame: int64 values, but pixels are uint8, uint16 or floats from 0 to 1",
        ),
        (RGB, {"size": 0}, "size: 0 x 0 is out of range [1, 4096]"),
        (RGB, {"size": 5000}, "size: 5000 x 5000 is out of range [1, 4096]"),
    ],
)
def test_what_is_no_picture_is_refused(
    picture: Any, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        fit(picture, **arguments)
    assert str(caught.value) == sentence
