"""The framer applies a camera to the frames of a session."""

from __future__ import annotations

import numpy as np
import pytest
from support.toy_finder import picture_with_faces

from motioncast.framing import (
    LOOK_EVERY,
    MAX_PIXELS,
    Crop,
    Face,
    Framer,
    FramingMode,
    cut,
    portrait,
    size_problem,
)

FACE = Face(100, 60, 148, 120, 0.9)
CROP = Crop(74, 34.5, 100)
PICTURE = picture_with_faces(320, 240, (100, 60, 148, 120))


def looked_at(framer: Framer, indices: list[int]) -> list[int]:
    """Frames pictures; returns the indices of those searched for faces."""
    looked = []
    for index in indices:
        looks = framer.looks(index)
        looked += [index] * looks
        framer.frame(index, PICTURE, [FACE] if looks else None)
    return looked


def test_auto_looks_at_the_first_frame_and_at_every_fifth_after_it() -> None:
    assert LOOK_EVERY == 5
    framer = Framer(FramingMode.AUTO, 16, 25)
    assert looked_at(framer, list(range(12))) == [0, 5, 10]


def test_where_frames_are_left_out_auto_looks_at_the_next_that_is_there() -> None:
    framer = Framer(FramingMode.AUTO, 16, 25)
    assert looked_at(framer, [2, 3, 9, 10, 13, 14, 15]) == [2, 9, 14]


def test_fixed_looks_once() -> None:
    assert looked_at(Framer(FramingMode.FIXED, 16, 25), list(range(20))) == [0]


@pytest.mark.parametrize("mode", [FramingMode.AUTO, FramingMode.FIXED])
def test_a_session_that_begins_with_its_source_looks_at_that_instead(mode: FramingMode) -> None:
    framer = Framer(mode, 16, 25)
    assert framer.looks(0)
    begun = framer.begin(PICTURE, [FACE])
    assert looked_at(framer, list(range(8))) == ([5] if mode is FramingMode.AUTO else [])
    assert begun.crop == CROP
    np.testing.assert_array_equal(begun.image, cut(PICTURE, CROP, 16))


def test_a_camera_that_begins_with_its_source_shows_the_first_frame_alike() -> None:
    framer = Framer(FramingMode.AUTO, 16, 25)
    begun = framer.begin(PICTURE, [FACE])
    first = framer.frame(0, PICTURE, None)
    assert (first.crop, first.faces) == (begun.crop, begun.faces) == (CROP, 1)
    np.testing.assert_array_equal(first.image, begun.image)


def test_frames_that_were_left_out_count_as_time() -> None:
    """Twenty frames of 1 / 50 s take the same time as ten of 1 / 25 s."""
    moved = Face(140, 60, 188, 120, 0.9)
    crops = []
    for rate, step in ((50.0, 2), (25.0, 1)):
        framer = Framer(FramingMode.AUTO, 16, rate)
        framer.frame(0, PICTURE, [FACE])
        for index in range(1, 11):
            crop = framer.frame(index * step, PICTURE, [moved]).crop
        crops.append(crop)
    assert crops[0] == crops[1]
    assert crops[0].left > CROP.left


def test_pictures_of_one_session_have_one_size() -> None:
    framer = Framer(FramingMode.AUTO, 16, 25)
    framer.frame(0, PICTURE, [])
    with pytest.raises(ValueError, match="the same size"):
        framer.frame(1, PICTURE[1:], None)


def test_a_portrait_is_framed_by_its_face_or_its_centre() -> None:
    assert portrait(PICTURE, [FACE], 16).crop == CROP
    assert portrait(PICTURE, [], 16).crop == Crop(40, 0, 240)


@pytest.mark.parametrize(
    ("width", "height", "problem"),
    [
        (16, 16, None),
        (3840, 2160, None),
        (4096, 2048, None),
        (15, 100, "15 x 100 pixels, but each side must be 16 to 4096"),
        (4097, 100, "4097 x 100 pixels, but each side must be 16 to 4096"),
        (4096, 2049, f"4096 x 2049 pixels exceed the limit of {MAX_PIXELS}"),
    ],
)
def test_pictures_have_bounds(width: int, height: int, problem: str | None) -> None:
    assert size_problem(width, height) == problem
