"""Cutting crops out of pictures and pasting them back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from motioncast.framing import BORDER, Crop, centre_square, cut, put_back


def ramp(width: int, height: int) -> NDArray[np.uint8]:
    """Returns a picture whose red is its column and whose green is its row."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(40, 30), (30, 40), (41, 30), (30, 30)])
def test_the_centre_square_is_the_largest_in_the_middle(width: int, height: int) -> None:
    crop = centre_square(width, height)
    assert crop.side == min(width, height)
    assert crop.left == (width - crop.side) // 2
    assert crop.top == (height - crop.side) // 2


def test_a_crop_of_whole_pixels_at_its_own_size_is_a_copy() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    np.testing.assert_array_equal(cut(picture, Crop(7, 11, 24), 24), picture[11:35, 7:31])


def test_half_the_size_averages_a_ramp() -> None:
    # Bicubic filters reproduce ramps: pixel i of the result lies at 2 i + 0.5.
    image = cut(ramp(100, 100), Crop(20, 30, 40), 20)
    middle = slice(2, -2)
    expected = 20 + 2 * np.arange(20) + 0.5
    assert np.abs(image[10, middle, 0] - expected[middle]).max() <= 0.5
    assert np.abs(image[middle, 10, 1] - (expected + 10)[middle]).max() <= 0.5


def test_a_fraction_of_a_pixel_moves_the_picture_by_it() -> None:
    picture = (ramp(100, 20) * [2, 0, 0]).astype(np.uint8)
    image = cut(picture, Crop(30.5, 2, 10), 10)
    np.testing.assert_array_equal(image[5, :, 0], 61 + 2 * np.arange(10))


def test_beyond_the_picture_its_border_is_repeated() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (20, 20, 3), np.uint8)
    image = cut(picture, Crop(-8, 12, 16), 16)
    np.testing.assert_array_equal(image[:8, 8:], picture[12:, :8])
    np.testing.assert_array_equal(image[:8, :8], picture[12:, :1].repeat(8, axis=1))
    np.testing.assert_array_equal(image[8:], image[7:8].repeat(8, axis=0))


def test_a_crop_far_outside_shows_the_nearest_pixels() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (20, 20, 3), np.uint8)
    image = cut(picture, Crop(100, 100, 16), 8)
    assert (image == picture[-1, -1]).all()


def test_what_was_cut_and_is_put_back_changes_nothing() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (60, 80, 3), np.uint8)
    crop = Crop(10, 5, 40)
    np.testing.assert_array_equal(put_back(picture, cut(picture, crop, 40), crop), picture)


@pytest.mark.parametrize("crop", [Crop(10.3, 5.7, 37.9), Crop(-9.5, 20.25, 55), Crop(-5, -5, 90)])
def test_what_was_scaled_and_is_put_back_is_nearly_the_picture(crop: Crop) -> None:
    columns, rows = np.meshgrid(np.arange(80), np.arange(60))
    smooth = 128 + 60 * np.sin(columns / 9) + 60 * np.cos(rows / 7)
    picture = np.stack([smooth] * 3, axis=-1).clip(0, 255).astype(np.uint8)
    result = put_back(picture, cut(picture, crop, 64), crop)
    assert np.abs(result.astype(int) - picture).max() <= 4


def test_a_result_put_back_is_itself_inside_and_fades_at_the_edge() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    crop = Crop(20, 20, 50)
    full = put_back(picture, np.full((64, 64, 3), 200, np.uint8), crop)
    border = int(np.ceil(BORDER * crop.side))
    inside = slice(20 + border, 70 - border)
    assert (full[inside, inside] == 200).all()
    assert full[:20].max() == full[70:].max() == full[:, :20].max() == full[:, 70:].max() == 0
    profile = full[45, 20 : 20 + border + 1, 0].astype(int)
    assert profile[0] < 40
    assert (np.diff(profile) >= 0).all()


def test_an_edge_beyond_the_picture_does_not_fade() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    full = put_back(picture, np.full((64, 64, 3), 200, np.uint8), Crop(-20, 30, 50))
    assert (full[55, :20] == 200).all()


def test_a_result_of_which_nothing_lies_in_the_picture_leaves_it() -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    full = put_back(picture, np.full((8, 8, 3), 200, np.uint8), Crop(50, 0, 10))
    np.testing.assert_array_equal(full, picture)


def test_the_picture_put_back_into_is_not_written_to() -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    put_back(picture, np.full((8, 8, 3), 200, np.uint8), Crop(0, 0, 20))
    assert picture.max() == 0
