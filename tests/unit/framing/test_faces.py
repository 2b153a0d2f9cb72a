"""Conversion of the finder's candidates to faces and crops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.framing import FINDER_SIZE, Face, letterboxed, looks, seen, without_doubles
from motioncast.framing.faces import found


def face(left: float, top: float, right: float, bottom: float, score: float = 0.9) -> Face:
    return Face(left, top, right, bottom, score)


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (384, 288, (0, 24, 192, 168)),
        (96, 192, (48, 0, 144, 192)),
        (192, 192, (0, 0, 192, 192)),
        (1920, 1080, (0, 42, 192, 150)),
    ],
)
def test_a_letterboxed_picture_fills_the_square_in_one_direction(
    width: int, height: int, box: tuple[int, int, int, int]
) -> None:
    square, _ = letterboxed(np.full((height, width, 3), 200, np.uint8))
    left, top, right, bottom = box
    assert square.shape == (FINDER_SIZE, FINDER_SIZE, 3)
    assert (square[top:bottom, left:right] == 200).all()
    assert square.sum() == 200 * 3 * (bottom - top) * (right - left)


def test_a_square_of_the_finders_size_is_letterboxed_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (192, 192, 3), np.uint8)
    square, letterbox = letterboxed(picture)
    np.testing.assert_array_equal(square, picture)
    assert letterbox.back(face(3, 4, 5, 6)) == face(3, 4, 5, 6)


@given(
    width=st.integers(16, 300),
    height=st.integers(16, 300),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
)
def test_a_place_in_the_square_is_taken_back_to_the_picture(
    width: int, height: int, x: float, y: float
) -> None:
    _, letterbox = letterboxed(np.zeros((height, width, 3), np.uint8))
    scale = FINDER_SIZE / max(width, height)
    # Margins are whole pixels, which costs at most half a pixel of the square.
    left = (FINDER_SIZE - width * scale) / 2 + x * width * scale
    top = (FINDER_SIZE - height * scale) / 2 + y * height * scale
    back = letterbox.back(face(left, top, left + 1, top + 1))
    assert abs(back.left - x * width) <= 1 / scale
    assert abs(back.top - y * height) <= 1 / scale


def test_the_crop_of_a_tall_face_has_0_6_of_the_side_for_its_height() -> None:
    crop = face(100, 50, 140, 110).crop()
    assert crop.side == pytest.approx(100)
    assert crop.left == pytest.approx(70)  # 120 - 0.5 * 100
    assert crop.top == pytest.approx(24.5)  # 80 - 0.555 * 100


def test_the_crop_of_a_wide_face_has_0_48_of_the_side_for_its_width() -> None:
    assert face(0, 0, 96, 60).crop().side == pytest.approx(200)


def candidate(x: float, y: float, side: float, score: float = 0.9) -> list[float]:
    """Returns a candidate with eyes 0.39 of its side apart, 0.15 above its centre."""
    eye = y - 0.15 * side
    return [score, x, y, side, side, x - 0.195 * side, eye, x + 0.195 * side, eye]


def test_of_candidates_of_one_face_the_mean_by_score_stays() -> None:
    first, second = candidate(0.5, 0.5, 0.2, 0.9), candidate(0.53, 0.5, 0.2, 0.6)
    other = candidate(0.8, 0.5, 0.2, 0.7)
    kept = without_doubles(np.array([second, first, other]))
    assert kept.shape == (2, 9)
    assert kept[0, :2] == pytest.approx([0.9, 0.5 + 0.03 * 0.6 / 1.5])
    np.testing.assert_allclose(kept[1], other, rtol=1e-12)


@pytest.mark.parametrize(("shift", "kept"), [(5, 1), (6, 2)])
def test_candidates_are_of_one_face_when_they_share_more_than_0_3(shift: int, kept: int) -> None:
    # Overlap of boxes 10 wide: 5 / 15 if shifted by 5, 4 / 16 if by 6.
    pair = np.array([candidate(0.3, 0.3, 0.1), candidate(0.3 + shift / 100, 0.3, 0.1, 0.8)])
    assert len(without_doubles(pair, 0.3)) == kept


def test_a_face_is_the_box_that_was_fitted() -> None:
    (one,) = found(np.array([candidate(0.5, 0.4, 0.25)], np.float32))
    box = 0.25 * FINDER_SIZE
    assert one.crop().side == pytest.approx((0.52 + 3.26 * 0.39) * box, rel=1e-5)
    assert one.height == pytest.approx(1.021 * box, rel=1e-5)
    assert one.centre[0] == pytest.approx(0.5 * FINDER_SIZE - 0.005 * box, rel=1e-5)
    assert one.centre[1] == pytest.approx(
        0.4 * FINDER_SIZE + (0.087 - 0.484 * 0.15) * box, rel=1e-5
    )


def test_a_head_that_is_turned_aside_keeps_its_size() -> None:
    turned = candidate(0.5, 0.4, 0.25)
    turned[5] = turned[7] = 0.5  # both eyes at the same x
    (one,) = found(np.array([turned], np.float32))
    assert one.crop().side == pytest.approx(1.021 / 0.6 * 0.25 * FINDER_SIZE, rel=1e-3)


def test_candidates_that_are_not_sure_or_no_numbers_are_no_faces() -> None:
    candidates = np.zeros((64, 9), np.float32)
    candidates[0] = candidate(0.5, 0.5, 0.2, 0.95)
    candidates[1] = [0.90, np.nan, 0.2, 0.1, 0.1, 0, 0, 0, 0]
    candidates[2] = [0.49, 0.2, 0.2, 0.1, 0.1, 0, 0, 0, 0]
    assert [one.score for one in found(candidates)] == [pytest.approx(0.95)]


def test_the_second_look_shows_the_same_at_half_its_size() -> None:
    square = np.full((FINDER_SIZE, FINDER_SIZE, 3), 200, np.uint8)
    (first, all_of_it), (second, half) = looks(square)
    np.testing.assert_array_equal(first, square)
    assert (second[48:144, 48:144] == 200).all()
    assert second.sum() == 200 * 3 * 96 * 96
    assert all_of_it.back(face(3, 4, 5, 6)) == face(3, 4, 5, 6)
    assert half.back(face(48, 48, 144, 96)) == face(0, 0, 192, 96)


def test_the_values_of_faces_seen_travel_in_32_bits() -> None:
    rng = np.random.default_rng(0)
    candidates = rng.uniform(0.6, 1, (64, 9)).astype(np.float32)
    for _, look in looks(np.zeros((FINDER_SIZE, FINDER_SIZE, 3), np.uint8)):
        assert seen(candidates, look)
        for one in seen(candidates, look):
            for value in (one.left, one.top, one.right, one.bottom, one.score):
                assert float(np.float32(value)) == value
