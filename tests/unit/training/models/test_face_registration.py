"""Registration moves unsupervised keypoints to where source and frame agree, and no others."""

import pytest
import torch
from support.random_networks import random_motion_transfer
from torch import Tensor

from motioncast.models.configurations import FACE128, LITE64
from motioncast.models.face.keypoints import ANCHORED
from motioncast.models.face.motion import GRID
from motioncast.models.face.registration import (
    FURTHEST,
    RIDGE,
    SIDE,
    RegistrationView,
    conjugate_gradients,
    gradient,
    step,
)
from motioncast.models.geometry import identity_grid, warp
from motioncast.models.motion_transfer import MotionTransfer

COUNT = 10  # unsupervised keypoints


def picture(seed: int = 0) -> Tensor:
    """Returns smooth brightness (1, 1, 64, 64) with structure everywhere."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, 12, 12, generator=generator)
    return torch.nn.functional.interpolate(
        coarse, (SIDE, SIDE), mode="bicubic", align_corners=True
    ).clamp(0, 1)


def keypoints(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, ANCHORED + COUNT, 3, generator=generator) - 0.5


def moved_by(image: Tensor, x: float, y: float) -> Tensor:
    """Returns the image (1, 1, 64, 64) moved right by x and down by y, in half sides."""
    flow = identity_grid(SIDE, SIDE)[None] - torch.tensor([x, y]).view(1, 2, 1, 1)
    return warp(image, flow)


def solved(error: Tensor, masks: Tensor, image: Tensor) -> Tensor:
    """Returns how far one step moves the keypoints, (10, 2)."""
    still = torch.zeros(1, COUNT, 2)
    return step(still, error, masks, torch.cat(gradient(image), 1))[0]


def test_conjugate_gradients_solve_what_an_elimination_solves() -> None:
    torch.manual_seed(0)
    columns = torch.randn(4, 20, 60, dtype=torch.float64)
    matrix = columns @ columns.transpose(1, 2) / 60 + 0.2 * torch.eye(20, dtype=torch.float64)
    right = torch.randn(4, 20, 1, dtype=torch.float64)
    expected = torch.linalg.solve(matrix, right)
    assert torch.allclose(conjugate_gradients(matrix, right, steps=20), expected, atol=1e-9)
    assert torch.allclose(conjugate_gradients(matrix, right), expected, atol=1e-3)


def test_gradients_are_per_half_side() -> None:
    ramp = identity_grid(SIDE, SIDE)[None]  # x, then y: from -1 to 1, so 1 per half side
    across, down = gradient(ramp[:, :1])
    assert torch.allclose(across[..., 1:-1], torch.ones_like(across[..., 1:-1]), atol=1e-5)
    assert torch.allclose(down, torch.zeros_like(down), atol=1e-5)


def test_the_keypoint_of_a_moved_part_follows_it() -> None:
    image = picture()
    masks = torch.zeros(1, COUNT, SIDE, SIDE)
    masks[:, 3] = 1  # everything moves with the fourth
    frame = moved_by(image, 0.012, -0.008)  # a third of a pixel of 64
    moved = solved(frame - image, masks, image)
    assert moved[3].tolist() == pytest.approx([0.012, -0.008], abs=0.002)
    others = torch.cat([moved[:3], moved[4:]])
    assert not others.any()


def test_a_second_step_goes_further_than_one_can() -> None:
    image, view = picture(3), RegistrationView()
    planes = torch.cat([image, *gradient(image)], dim=1)
    masks = torch.zeros(1, COUNT, GRID, GRID)
    masks[:, 3] = 1
    frame = moved_by(image, 0.07, 0.03).expand(1, 3, -1, -1)  # two pixels of 64
    found = keypoints()
    flow = identity_grid(SIDE, SIDE)[None]
    aligned = view.aligned(found, frame, flow, masks, lambda flow: warp(planes, flow)) - found
    single = solved(frame[:, :1] - image, view.up(masks), image)
    true = torch.tensor([0.07, 0.03])
    once, twice = ((one - true).norm() for one in (single[3], aligned[0, ANCHORED + 3, :2]))
    assert twice < once / 2
    assert twice < 0.006


def test_the_second_step_remembers_where_keypoints_were_found() -> None:
    ramp = 0.2 * identity_grid(SIDE, SIDE)[None, :1]
    masks = torch.zeros(1, COUNT, SIDE, SIDE)
    masks[:, 0] = 1
    moved = torch.zeros(1, COUNT, 2)
    moved[:, 0, 0], moved[:, 5, 1] = 0.01, 0.02
    after = step(moved, torch.zeros_like(ramp), masks, torch.cat(gradient(ramp), 1))[0]
    # Without an error x becomes A x / (A + RIDGE), A = 0.2^2; what moves nothing goes back.
    assert after[0, 0] == pytest.approx(0.01 * 0.04 / (0.04 + RIDGE), rel=0.01)
    assert after[5].tolist() == pytest.approx([0, 0], abs=1e-6)


def test_parts_that_move_apart_are_followed_apart() -> None:
    image = picture(1)
    masks = torch.zeros(1, COUNT, SIDE, SIDE)
    masks[:, 0, :, :32], masks[:, 1, :, 32:] = 1, 1
    frame = torch.cat(
        [moved_by(image, 0.01, 0.0)[..., :32], moved_by(image, 0.0, -0.01)[..., 32:]], dim=-1
    )
    moved = solved(frame - image, masks, image)
    assert moved[0].tolist() == pytest.approx([0.01, 0.0], abs=0.002)
    assert moved[1].tolist() == pytest.approx([0.0, -0.01], abs=0.002)


def test_a_few_wrong_pixels_hardly_count() -> None:
    image = picture(2)
    masks = torch.zeros(1, COUNT, SIDE, SIDE)
    masks[:, 0] = 1
    error = moved_by(image, 0.01, 0.0) - image
    error[..., 20:26, 20:26] = 0.8  # a hand enters the picture
    moved = solved(error, masks, image)[0]
    assert moved.tolist() == pytest.approx([0.01, 0.0], abs=0.004)


def test_where_nothing_shows_motion_keypoints_stay() -> None:
    masks = torch.ones(1, COUNT, SIDE, SIDE) / COUNT
    plain = torch.full((1, 1, SIDE, SIDE), 0.5)
    assert not solved(torch.full_like(plain, 0.1), masks, plain).any()


def test_a_correction_is_bounded() -> None:
    ramp = 0.2 * identity_grid(SIDE, SIDE)[None, :1]  # a move by 0.3 changes it by 0.06
    masks = torch.zeros(1, COUNT, SIDE, SIDE)
    masks[:, 0] = 1
    moved = solved(torch.full_like(ramp, -0.06), masks, ramp)[0]
    assert moved.tolist() == pytest.approx([FURTHEST, 0], abs=1e-5)


@pytest.mark.parametrize(("elsewhere", "expected"), [(0.0, 0.00957), (0.57, 0.00851)])
def test_the_less_source_and_frame_agree_the_less_is_corrected(
    elsewhere: float, expected: float
) -> None:
    ramp = 0.2 * identity_grid(SIDE, SIDE)[None, :1]
    masks, error = torch.zeros(1, COUNT, SIDE, SIDE), torch.full_like(ramp, elsewhere)
    masks[:, 0, :, :32], error[..., :32] = 1, -0.002  # the left half moves by 0.01
    # w = 0.94 there, 1 or 0.05 elsewhere: x = b / (A + RIDGE / mean(w)^2), A = 0.5 w 0.2^2
    moved = solved(error, masks, ramp)[0, 0]
    assert moved == pytest.approx(expected, rel=0.03)


@torch.inference_mode()
def test_anchored_keypoints_and_a_still_picture_stay() -> None:
    model = MotionTransfer(FACE128).eval()  # untrained, nothing moves without the keypoints
    torch.manual_seed(0)
    source = torch.nn.functional.interpolate(torch.rand(2, 3, 16, 16), (128, 128), mode="bicubic")
    frames = torch.cat([source, source.roll(3, 3)]).clamp(0, 1)[[0, 2, 1, 3]]
    at_source = keypoints()[:, None].expand(2, 2, -1, -1).clone()
    registered = model.register(source.clamp(0, 1), at_source[:, 0], frames, at_source)
    assert torch.equal(registered[..., :ANCHORED, :], at_source[..., :ANCHORED, :])
    assert torch.equal(registered[..., 2], at_source[..., 2])
    assert torch.allclose(registered[:, 0], at_source[:, 0], atol=1e-5)
    assert (registered[:, 1] - at_source[:, 1]).abs().max() > 1e-3


@torch.inference_mode()
def test_networks_without_registration_return_what_was_found() -> None:
    model = random_motion_transfer(LITE64).eval()
    found = torch.rand(1, 3, 10, 3)
    assert (
        model.register(torch.rand(1, 3, 64, 64), found[:, 0], torch.rand(3, 3, 64, 64), found)
        is found
    )
