"""Variation of face pairs changes pictures and keypoints alike."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from motioncast.data.face_variation import (
    Change,
    Variation,
    before,
    draw_change,
    draw_room,
    varied,
    varied_points,
)
from motioncast.models.face.keypoints import ANCHORED

SIDE = 64
SAME = list(range(256)) * 3


def disc(x: float, y: float, side: int = SIDE) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    inside = np.hypot(columns - x, rows - y) < 5
    return np.repeat(np.where(inside, 255, 0).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("seed", range(6))
def test_a_squeezed_and_sheared_picture_keeps_its_keypoints_on_what_they_mark(seed: int) -> None:
    random = np.random.default_rng(seed)
    change = draw_change(random, Variation(moved=1.0, squeeze=0.12, shear=0.1))
    x, y = 40.0, 28.0
    picture = varied(disc(x, y), change, change.views[0], SIDE).mean(0).numpy()
    places = np.tile(np.array([x, y]) / (SIDE - 1) * 2 - 1, (ANCHORED, 1)).astype(np.float32)
    found = (varied_points(places, change, change.views[0])[0] + 1) / 2 * (SIDE - 1)
    bright = picture - picture.min()
    weights = np.where(bright > bright.max() / 2, 1.0, 0.0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centre = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
    assert_allclose(found, centre, atol=0.35)


def test_hues_turn_about_grey() -> None:
    random = np.random.default_rng(3)
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[:, None], SIDE, axis=1)
    grey = np.repeat(ramp[..., None], 3, axis=2)
    for _ in range(5):
        mixture = draw_change(random, Variation(colours=2.0)).mixture
        change = Change(False, (np.eye(2, 3), np.eye(2, 3)), SAME, mixture)
        changed = varied(grey, change, np.eye(2, 3), SIDE).permute(1, 2, 0).numpy()
        assert_allclose(changed, grey / 255, atol=1e-5)
        assert float(np.abs(mixture - np.eye(3)).max()) > 1e-3


def test_nothing_varied_gives_the_frame_back() -> None:
    still = Variation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    change = draw_change(np.random.default_rng(0), still)
    frame = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    same = varied(frame, change, change.views[1], SIDE).permute(1, 2, 0).numpy() * 255
    assert_allclose(same, frame, atol=1e-3)
    places = np.random.default_rng(2).uniform(-1, 1, (ANCHORED, 2)).astype(np.float32)
    assert_allclose(varied_points(places, change, change.views[0]), places, atol=1e-6)


def test_soft_pictures_lose_fine_detail_alone() -> None:
    random = np.random.default_rng(0)
    change = draw_change(random, Variation(0, 0, 0, 0, 0, colours=0, soft=1.0))
    assert 0.4 <= change.detail < 0.9
    columns = np.arange(SIDE)
    waves = {length: np.cos(2 * np.pi * columns / length) for length in (2, 32)}  # pixels
    left = {}
    for length, wave in waves.items():
        frame = np.tile((128 + 100 * wave).round().astype(np.uint8)[None, :, None], (SIDE, 1, 3))
        soft = varied(frame, change, np.eye(2, 3), SIDE).numpy() * 255
        left[length] = soft[..., 8:-8].std() / frame[:, 8:-8].std()
    assert left[2] < 0.2
    assert left[32] > 0.95
    assert not any(draw_change(random, Variation(soft=0)).detail < 1 for _ in range(50))


def test_a_person_is_put_before_a_room() -> None:
    frame, room = np.full((SIDE, SIDE, 3), 200, np.uint8), np.full((SIDE, SIDE, 3), 40, np.uint8)
    matte = np.zeros((16, 16), np.uint8)
    matte[:, :8] = 255
    composed = before(frame, matte, room)
    assert_array_equal(composed[:, : SIDE // 2 - 8], 200)
    assert_array_equal(composed[:, SIDE // 2 + 8 :], 40)


def test_rooms_fill_the_frame() -> None:
    rooms = np.full((2, 32, 32, 3), 100, np.uint8)
    random = np.random.default_rng(0)
    drawn = [draw_room(rooms, SIDE, random) for _ in range(12)]
    assert all(room.shape == (SIDE, SIDE, 3) and room.dtype == np.uint8 for room in drawn)
    plain = [room for room in drawn if room.std() < 1e-6]
    assert plain
    assert all(0.4 * 100 - 1 <= room[0, 0, 0] <= 1.2 * 100 + 1 for room in plain)
