"""The camera: where it starts, when it rests, and how it follows."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.framing import Camera, Crop, Face, FramingMode, foremost

AUTO, FIXED = FramingMode.AUTO, FramingMode.FIXED
WIDTH, HEIGHT = 640, 480


def face_at(x: float, y: float, height: float = 120, score: float = 0.9) -> Face:
    """Returns a face centred at x, y; 0.8 times as wide as high."""
    return Face(x - 0.4 * height, y - 0.5 * height, x + 0.4 * height, y + 0.5 * height, score)


def followed(camera: Camera, face: Face, frames: int, frame_rate: float = 25.0) -> list[Crop]:
    """Returns the crops of frames that all show the face."""
    crops = []
    for _ in range(frames):
        camera = camera.after(1 / frame_rate).seeing([face])
        crops.append(camera.crop)
    return crops


@pytest.mark.parametrize("mode", [AUTO, FIXED])
def test_without_a_face_the_camera_shows_the_centre_square(mode: FramingMode) -> None:
    assert Camera.start(mode, WIDTH, HEIGHT, []).crop == Crop(80, 0, 480)


@pytest.mark.parametrize("mode", [AUTO, FIXED])
def test_with_a_face_the_camera_starts_at_its_crop(mode: FramingMode) -> None:
    crop = Camera.start(mode, WIDTH, HEIGHT, [face_at(300, 200)]).crop
    # 120 / 0.6 = 96 / 0.48 = 200; the face's centre is at (0.5, 0.555) of the crop
    assert crop == Crop(200, 89, 200)


@pytest.mark.parametrize("mode", [AUTO, FIXED])
@pytest.mark.parametrize(
    ("x", "y", "height", "framed"),
    [
        (320, 266, 288, True),  # 0.6 of the square, centred at 0.555
        (320 + 57, 266, 288, True),  # 0.12 of the side is 57.6
        (320 + 58, 266, 288, False),
        (320, 266, 288 * 1.19, True),
        (320, 266, 288 * 1.21, False),
        (320, 266, 288 / 1.21, False),
    ],
)
def test_a_picture_that_is_framed_already_is_taken_as_it_is(
    mode: FramingMode, x: float, y: float, height: float, framed: bool
) -> None:
    face = face_at(x, y, height)
    crop = Camera.start(mode, WIDTH, HEIGHT, [face]).crop
    assert crop == (Crop(80, 0, 480) if framed else face.crop().rounded())


def test_a_fixed_camera_never_moves() -> None:
    camera = Camera.start(FIXED, WIDTH, HEIGHT, [face_at(300, 200)])
    assert set(followed(camera, face_at(500, 300), 100)) == {camera.crop}


def test_a_face_that_moves_by_a_pixel_moves_nothing() -> None:
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(300, 200)])
    for x, y in ((301, 200), (299, 199), (300, 201)):
        assert set(followed(camera, face_at(x, y), 50)) == {camera.crop}


def test_a_face_at_the_edge_of_the_dead_zone_moves_nothing_and_beyond_it_the_camera() -> None:
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(300, 200)])
    reach = camera.settings.dead_zone * 200
    assert followed(camera, face_at(300 + reach - 0.1, 200), 50)[-1] == camera.crop
    assert followed(camera, face_at(300 + reach + 0.1, 200), 50)[-1].left > camera.crop.left + 10


def test_a_step_is_followed_all_the_way_and_never_overshot() -> None:
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(300, 200)])
    crops = followed(camera, face_at(380, 200), 250)
    lefts = [camera.crop.left, *(crop.left for crop in crops)]
    assert all(a <= b for a, b in pairwise(lefts))
    assert max(lefts) <= 280
    assert lefts[-1] == pytest.approx(280, abs=0.1)


def test_a_step_is_the_answer_of_two_low_pass_filters() -> None:
    """1 - (1 + t / c) exp(-t / c), for closely spaced frames."""
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(300, 200)])
    constant, rate = camera.settings.follow_seconds, 1000.0
    crops = followed(camera, face_at(380, 200), 1000, rate)
    for frame in (100, 300, 600, 999):
        t = (frame + 1) / rate / constant
        expected = 200 + 80 * (1 - (1 + t) * math.exp(-t))
        assert crops[frame].left == pytest.approx(expected, abs=0.25)


def test_the_camera_never_jumps() -> None:
    """Two filters follow a step at most at 1 / (e c) of its size per second."""
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(200, 200)])
    crops = [camera.crop, *followed(camera, face_at(280, 220, 160), 100)]
    largest = max(abs(b.left - a.left) for a, b in pairwise(crops))
    assert 0 < largest <= 1.2 * 113 / (math.e * camera.settings.follow_seconds * 25)


def test_scale_is_followed_more_slowly_than_position() -> None:
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(320, 240)])
    after = followed(camera, face_at(400, 240, 200), 12)[-1]
    moved = (after.centre[0] - camera.crop.centre[0]) / 80
    zoomed = math.log(after.side / camera.crop.side) / math.log(200 / 120)
    assert 0 < zoomed < 0.6 * moved


@given(
    st.lists(
        st.tuples(st.floats(50, 590), st.floats(50, 430), st.floats(40, 300)),
        min_size=1,
        max_size=20,
    )
)
def test_whatever_the_face_does_the_crop_stays_within_what_was_wanted(
    places: list[tuple[float, float, float]],
) -> None:
    faces = [face_at(*place) for place in places]
    camera = Camera.start(AUTO, WIDTH, HEIGHT, faces[:1])
    wanted = [camera.crop, *(one.crop() for one in faces)]  # it may start as the centre square
    for one in faces:
        for _ in range(3):
            camera = camera.after(0.04).seeing([one])
        crop = camera.crop
        assert min(c.side for c in wanted) - 0.1 <= crop.side <= max(c.side for c in wanted) + 0.1
        for axis in (0, 1):
            centres = [c.centre[axis] for c in wanted]
            assert min(centres) - 0.1 <= crop.centre[axis] <= max(centres) + 0.1


def test_a_clock_that_goes_back_moves_nothing() -> None:
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(300, 200)]).seeing([face_at(360, 200)])
    assert camera.after(-1e18).crop == camera.crop
    assert camera.after(1e300).crop.left == pytest.approx(260, abs=0.1)


def test_with_no_face_in_sight_the_camera_stays() -> None:
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(300, 200)])
    later = camera
    for _ in range(500):
        later = later.after(0.04).seeing([])
    assert later.crop == camera.crop


def test_a_person_who_comes_in_is_found() -> None:
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [])
    assert followed(camera, face_at(300, 200), 400)[-1].side == pytest.approx(200, abs=0.5)


def test_the_large_face_near_the_middle_is_the_foremost() -> None:
    aside, small = face_at(560, 400, 120), face_at(320, 240, 60)
    middle = face_at(340, 240, 110)
    assert foremost([aside, small, middle], WIDTH, HEIGHT) is middle
    assert foremost([aside, small], WIDTH, HEIGHT) is aside
    assert foremost([], WIDTH, HEIGHT) is None


def test_the_camera_stays_with_its_face_when_a_larger_one_comes() -> None:
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(200, 200)])
    for _ in range(100):
        camera = camera.after(0.04).seeing([face_at(450, 240, 200), face_at(201, 200)])
    assert camera.crop == Crop(100, 89, 200)


def test_another_face_is_followed_once_its_own_was_gone_for_long() -> None:
    camera = Camera.start(AUTO, WIDTH, HEIGHT, [face_at(150, 200)])
    other = face_at(450, 240)
    frames = round(camera.settings.patience_seconds * 25)
    gone = camera
    for _ in range(frames - 1):
        gone = gone.after(0.04).seeing([other])
    assert gone.crop == camera.crop
    assert followed(gone, other, 250)[-1].left == pytest.approx(350, abs=0.1)
