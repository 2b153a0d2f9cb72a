"""Losses of the face networks."""

import torch
from torch.testing import assert_close

from motioncast.models.face.keypoints import ANCHORED, GROUPS
from motioncast.train.face_reconstruction import (
    LIPS,
    inside_mouth,
    looked_at,
    texture_l1,
    weighted_gradient,
)

SIDE = 64


def test_texture_does_not_mind_where_the_detail_lies() -> None:
    stripes = (torch.arange(SIDE) % 4 < 2).float().expand(1, 3, SIDE, SIDE)
    ones = torch.ones(1, 1, SIDE, SIDE)
    elsewhere = stripes.roll(4, dims=-1)
    assert_close(texture_l1(elsewhere, stripes, ones), torch.tensor(0.0), atol=1e-6, rtol=0)


def test_texture_is_the_gradient_that_a_flat_picture_lacks() -> None:
    ramp = (torch.arange(SIDE) * 0.01).expand(1, 3, SIDE, SIDE)
    flat = torch.full_like(ramp, 0.3)
    inner = torch.zeros(1, 1, SIDE, SIDE)
    inner[..., :32, :32] = 1  # the last column has no neighbour
    share = torch.nn.functional.avg_pool2d(inner, 8, 4).mean()
    assert_close(texture_l1(flat, ramp, inner), 0.01 * share, atol=1e-6, rtol=0)


def test_equal_pictures_have_no_gradient_error() -> None:
    picture = torch.rand(2, 3, SIDE, SIDE)
    ones = torch.ones(2, 1, SIDE, SIDE)
    assert float(weighted_gradient(picture, picture, ones)) == 0.0
    assert float(weighted_gradient(picture + 0.1, picture, ones)) < 1e-6


def test_a_mouth_is_looked_at_and_a_corner_is_not() -> None:
    points = torch.full((1, ANCHORED, 3), 0.0)
    points[..., 2] = 1.0
    mouth = slice(0, GROUPS[0].size + GROUPS[1].size)
    points[:, mouth, 1] = 0.5
    seen = looked_at(points, SIDE)
    assert float(seen[0, 0, int(0.75 * SIDE), SIDE // 2]) > 0.7
    assert float(seen[0, 0, 0, 0]) < 1e-3


def test_between_the_lips_no_texture_is_asked_for() -> None:
    points = torch.zeros(1, ANCHORED, 3)
    points[..., 1] = -0.8  # the rest of the face, far from the mouth
    for x, upper, lower in zip(range(-2, 3), *LIPS, strict=True):
        points[0, upper, :2] = torch.tensor([0.05 * x, 0.3])
        points[0, lower, :2] = torch.tensor([0.05 * x, 0.45])
    side = 65
    inside = inside_mouth(points, side)[0, 0]

    def at(x: float, y: float) -> float:
        return float(inside[round((y + 1) / 2 * (side - 1)), round((x + 1) / 2 * (side - 1))])

    assert at(0.0, 0.375) > 0.9
    assert at(0.0, 0.75) < 0.01
    assert at(0.0, -0.8) < 0.01
