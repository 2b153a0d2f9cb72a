"""Animated photographs follow the driver's motion and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from motioncast.data.portraits import (
    INNER_LIPS,
    LOWER,
    RIGID,
    UPPER,
    Face,
    animate,
    expression,
    opening,
)
from motioncast.models.geometry import identity_grid

SIDE = 64
POINTS = 478
EYES = ((33, 133), (362, 263))  # corners, from left to right
Points = NDArray[np.float32]


def mesh(open_by: float = 0.0, centre: tuple[float, float] = (0.0, 0.0)) -> Points:
    """Returns a face half as wide as its picture, with a given opening of the mouth.

    `open_by` is relative to the eyes' distance. Other points lie anywhere in the face.
    """
    points = np.random.default_rng(0).uniform(-0.25, 0.25, (POINTS, 2))
    angles = np.linspace(0, 2 * np.pi, len(RIGID), endpoint=False)
    points[list(RIGID)] = 0.25 * np.c_[np.cos(angles), np.sin(angles)]
    for x, (first, second) in zip((-0.12, 0.12), EYES, strict=True):
        points[first], points[second] = (x - 0.04, -0.08), (x + 0.04, -0.08)
    points[159] = points[145] + (0, -0.02)
    points[386] = points[374] + (0, -0.02)
    half = open_by * 0.32 / 2
    for lips, y in ((UPPER, -half), (LOWER, half)):
        points[list(lips)] = np.c_[np.linspace(-0.08, 0.08, len(lips)), np.full(len(lips), y)]
        points[list(lips), 1] += 0.12
    points[78], points[308] = (-0.1, 0.12), (0.1, 0.12)
    return (points + centre).astype(np.float32)


def ramps() -> Tensor:
    """Returns a picture (3, S, S) whose colours encode pixel positions: x, y, and a constant."""
    x, y = (identity_grid(SIDE, SIDE) + 1) / 2
    return torch.stack([x, y, torch.full_like(x, 0.5)])


def moved(points: Points, angle: float, size: float, shift: tuple[float, float]) -> Points:
    """Returns points after a similarity about the picture's centre."""
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points @ turn.T + shift).astype(np.float32)


class Fixed(np.random.Generator):
    """Draws 1, or the nearest value in the range, so that gain and view are known."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def uniform(self, low: float, high: float) -> float:  # type: ignore[override]
        return min(max(1.0, low), high)


VIEW = 0.8  # half side of the visible part of the photograph


def test_the_first_frame_is_the_photograph() -> None:
    portrait = Face(ramps(), mesh())
    drivers = [Face(ramps(), moved(mesh(), 0.2, 1.1, (0.1, -0.1))) for _ in range(2)]
    frames, points = animate(portrait, drivers, SIDE, Fixed())
    expected = VIEW * identity_grid(SIDE, SIDE)
    assert_close(frames[0, :2], (expected + 1) / 2, atol=1e-3, rtol=0)
    np.testing.assert_allclose(points[0], portrait.points / VIEW, atol=1e-6)


def test_drivers_that_hold_still_give_the_photograph_back() -> None:
    portrait = Face(ramps(), mesh())
    still = Face(ramps(), moved(mesh(), 0.3, 1.4, (0.1, 0.2)))  # another size, another place
    frames, points = animate(portrait, [still] * 4, SIDE, Fixed())
    assert_close(frames, frames[:1].expand(4, -1, -1, -1), atol=1e-4, rtol=0)
    np.testing.assert_allclose(points, points[:1].repeat(4, axis=0), atol=1e-5)


@pytest.mark.parametrize(
    ("angle", "size", "shift"),
    [(0.0, 1.0, (0.06, -0.04)), (0.15, 1.0, (0.0, 0.0)), (0, 1.1, (0, 0))],
)
def test_a_similarity_of_the_driver_is_the_portraits(
    angle: float, size: float, shift: tuple[float, float]
) -> None:
    portrait = Face(ramps(), mesh())
    drivers = [Face(ramps(), mesh()), Face(ramps(), moved(mesh(), angle, size, shift))]
    frames, points = animate(portrait, drivers, SIDE, Fixed())
    expected = moved(portrait.points, angle, size, shift) / VIEW
    np.testing.assert_allclose(points[1], expected, atol=1e-5)
    # A pixel of the face shows what the similarity moved there.
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for row, column in ((32, 32), (28, 36), (38, 27)):
        place = VIEW * identity_grid(SIDE, SIDE)[:, row, column].numpy()
        source = (np.linalg.inv(turn) @ (place - shift) + 1) / 2
        assert frames[1, :2, row, column].numpy() == pytest.approx(source, abs=0.004)


def test_the_drivers_size_does_not_matter() -> None:
    portrait = Face(ramps(), mesh())
    open_mouth = mesh(open_by=0.3)
    small = [Face(ramps(), 0.5 * points) for points in (mesh(), open_mouth)]
    large = [Face(ramps(), 2.0 * points) for points in (mesh(), open_mouth)]
    _, by_small = animate(portrait, small, SIDE, Fixed())
    _, by_large = animate(portrait, large, SIDE, Fixed())
    np.testing.assert_allclose(by_small, by_large, atol=1e-5)
    assert opening(by_small[1]) == pytest.approx(0.3, abs=0.01)


def test_far_from_the_face_the_room_stays() -> None:
    portrait = Face(ramps(), mesh())
    drivers = [Face(ramps(), mesh()), Face(ramps(), moved(mesh(), 0.1, 1.0, (0.05, 0.0)))]
    frames, _ = animate(portrait, drivers, SIDE, Fixed())
    assert_close(frames[1, :, :2], frames[0, :, :2], atol=1e-3, rtol=0)
    assert not torch.allclose(frames[1, :, 32, 32], frames[0, :, 32, 32], atol=1e-2)


def test_an_opening_mouth_is_the_drivers_inside_and_nothing_else_is() -> None:
    green = torch.zeros(3, SIDE, SIDE)
    green[1] = 0.5
    portrait = Face(torch.full((3, SIDE, SIDE), 0.5), mesh())
    shut, wide = Face(green, mesh()), Face(green, mesh(open_by=0.5))
    frames, points = animate(portrait, [shut, wide], SIDE, Fixed())
    lips = points[1][list(INNER_LIPS)]
    x, y = ((lips.mean(0) + 1) / 2 * (SIDE - 1)).round().astype(int)
    red, mouth_green, _ = frames[1, :, y, x].tolist()
    assert red < 0.05  # the driver's picture has no red
    assert mouth_green > 0.3
    assert_close(frames[0], portrait.image)
    outside = torch.ones(SIDE, SIDE, dtype=torch.bool)
    top, bottom = ((lips[:, 1].min(), lips[:, 1].max()) + np.array([-0.1, 0.1]) + 1) / 2 * SIDE
    outside[int(top) : int(bottom) + 1] = False
    assert_close(frames[1][:, outside], portrait.image[:, outside])


def test_a_mouth_that_was_open_keeps_its_own_teeth() -> None:
    green = torch.zeros(3, SIDE, SIDE)
    portrait = Face(torch.full((3, SIDE, SIDE), 0.5), mesh(open_by=0.3))
    drivers = [Face(green, mesh(open_by=0.3)), Face(green, mesh(open_by=0.31))]
    frames, _ = animate(portrait, drivers, SIDE, Fixed())
    assert_close(frames, portrait.image.expand(2, -1, -1, -1))


def test_before_a_room_only_the_person_stays() -> None:
    matte = torch.zeros(1, SIDE, SIDE)
    matte[..., 20:, 16:48] = 1.0
    portrait = Face(torch.full((3, SIDE, SIDE), 0.5), mesh(), matte)
    room = torch.zeros(3, SIDE, SIDE)
    room[2] = 1.0
    frames, _ = animate(portrait, [Face(ramps(), mesh())] * 2, SIDE, Fixed(), room)
    assert_close(frames[0, :, 32, 32], torch.full((3,), 0.5))
    assert_close(frames[0, :, 2, 2], torch.tensor([0.0, 0.0, 1.0]))
    assert_close(frames[:, :, 2, 2], frames[:1, :, 2, 2].expand(2, -1))


def test_an_expression_is_openings_over_the_distance_between_the_eyes() -> None:
    points = mesh(open_by=0.25)
    eyes = 0.32  # between their outer corners, in half sides
    assert expression(points) == pytest.approx([0.25, 0.02 / eyes, 0.02 / eyes], abs=1e-4)
    assert expression(3 * points) == pytest.approx(expression(points), abs=1e-4)


def test_lips_do_not_cross() -> None:
    portrait = Face(ramps(), mesh())
    drivers = [
        Face(ramps(), mesh(open_by=0.3)),
        Face(ramps(), mesh()),
    ]  # it would close past shut
    _, points = animate(portrait, drivers, SIDE, Fixed())
    assert (points[1][list(LOWER), 1] - points[1][list(UPPER), 1] >= -1e-6).all()
