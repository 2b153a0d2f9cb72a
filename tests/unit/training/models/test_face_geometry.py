"""The motion implied by a face's keypoints alone."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.models.face.geometry import EYES, FaceGeometry, fit_affine
from motioncast.models.face.keypoints import ANCHORED, GROUPS, MESH, mirror_order
from motioncast.models.geometry import identity_grid

SIDE = 33


def face(seed: int = 0) -> Tensor:
    """Returns keypoints (1, 70, 3) scattered over the middle of an image, all visible."""
    positions = torch.rand(1, ANCHORED, 2, generator=torch.Generator().manual_seed(seed)) - 0.5
    return torch.cat([positions, torch.ones(1, ANCHORED, 1)], dim=-1)


def at(field: Tensor, row: int, column: int) -> Tensor:
    return field[0, :, row, column]


def test_an_affine_map_is_found_exactly() -> None:
    matrix = torch.tensor([[1.1, -0.3], [0.2, 0.9]])
    driving = face()[..., :2]
    source = driving @ matrix.t() + torch.tensor([0.1, -0.2])
    affine = fit_affine(source, driving, torch.ones(1, ANCHORED, 1))
    assert_close(affine(driving), source, atol=5e-4, rtol=0)  # bias of the ridge
    assert_close(affine.matrix[0], matrix, atol=5e-3, rtol=0)  # the ridge's bias: RIDGE / variance


def test_points_that_fall_together_turn_and_scale_nothing() -> None:
    together = torch.zeros(1, ANCHORED, 2)
    affine = fit_affine(together + 0.3, together, torch.ones(1, ANCHORED, 1))
    assert_close(affine.matrix[0], torch.eye(2), atol=1e-6, rtol=0)
    assert_close(affine(together), together + 0.3)


def test_a_head_that_turns_moves_every_place_as_the_rotation_says() -> None:
    angle = 0.2
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    driving = face()
    source = driving.clone()
    source[..., :2] = driving[..., :2] @ turn.t()
    head, whole, _ = FaceGeometry(SIDE)(source, driving)
    grid = identity_grid(SIDE, SIDE)
    expected = (turn @ grid.flatten(1)).view_as(grid) - grid
    assert_close(head[0], expected, atol=3e-3, rtol=0)
    assert_close(whole, head, atol=3e-3, rtol=0)


def test_one_point_that_moves_alone_moves_its_place_and_not_the_far_corner() -> None:
    driving = face()
    lip = GROUPS[1].first  # does not affect the head's motion
    driving[0, lip, :2] = torch.tensor([0.0, 0.75])  # far from all others, on the grid
    source = driving.clone()
    source[0, lip, 1] -= 0.1
    head, whole, _ = FaceGeometry(SIDE)(source, driving)
    assert float(head.abs().max()) < 1e-3
    row = round((0.75 + 1) / 2 * (SIDE - 1))
    assert_close(at(whole, row, SIDE // 2), torch.tensor([0.0, -0.1]), atol=2e-3, rtol=0)
    assert_close(at(whole, 0, 0), torch.zeros(2), atol=1e-3, rtol=0)


@pytest.mark.parametrize("unseen", ["source", "driving"])
def test_without_a_face_nothing_moves(unseen: str) -> None:
    frames = {"source": face(1), "driving": face(2)}
    frames[unseen][..., 2] = 0
    head, whole, _ = FaceGeometry(SIDE)(frames["source"], frames["driving"])
    assert_close(head, torch.zeros_like(head))
    assert_close(whole, torch.zeros_like(whole))


def test_seventy_points_of_the_mesh_are_anchored_each_once() -> None:
    assert len(MESH) == len(set(MESH)) == ANCHORED == 70
    assert sum(group.size for group in GROUPS) == ANCHORED


def test_a_mirrored_mirror_image_is_the_image() -> None:
    order = mirror_order()
    assert [order[i] for i in order] == list(range(ANCHORED))


def test_a_lid_that_closes_takes_the_skin_above_it_along() -> None:
    """With the mean motion of both lids, the picture would show half an eye."""
    driving = face()
    driving[..., :2] *= 0.2  # moves the rest of the face away from this eye
    driving[..., 0] -= 0.6
    corners, upper, lower = EYES[1]
    width, spots = 0.2, torch.linspace(0.3, 0.7, 3)
    for point, x in ((corners[0], 0.0), (corners[1], 1.0)):
        driving[0, MESH.index(point), :2] = torch.tensor([0.5 + width * x, 0.0])
    source = driving.clone()
    opened = 0.3 * width
    for lids, sign in ((upper, -1), (lower, 0)):
        for point, x in zip(lids, spots, strict=True):
            driving[0, MESH.index(point), :2] = torch.tensor([0.5 + width * float(x), 0.0])
            source[0, MESH.index(point), :2] = driving[0, MESH.index(point), :2]
            source[0, MESH.index(point), 1] += sign * opened
    side = 161  # a step is 1/16 of the eye's width
    head, whole, _ = FaceGeometry(side)(source, driving)
    column, row = round((0.6 + 1) / 2 * (side - 1)), (side - 1) // 2
    above, below = (float(at(whole - head, row + step, column)[1]) for step in (-3, 3))
    # The mean of the lids alone, without skin points, would give half on both sides.
    assert above < -0.6 * opened
    assert below > -0.2 * opened
