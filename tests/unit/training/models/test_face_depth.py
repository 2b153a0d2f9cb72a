"""When a face turns out of its plane, points move in proportion to their depth."""

import torch
from torch.testing import assert_close

from motioncast.laboratory.depths import first_mode
from motioncast.models.face.depth import Depth, depths, parallax
from motioncast.models.face.geometry import FaceGeometry, fit_affine, rigidity
from motioncast.models.face.keypoints import ANCHORED, mirror_order
from motioncast.models.face.motion import FaceMotion


def turned_heads(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns points (count, 70, 2) of a rotated solid seen from afar; its positions and depths."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.rand(ANCHORED, 2, generator=generator) - 0.5
    deep = torch.rand(ANCHORED, 1, generator=generator) - 0.5
    small = 0.04 * torch.randn(count, 3, 3, generator=generator)
    axes = torch.linalg.matrix_exp(small - small.transpose(1, 2))  # rotations
    seen = torch.cat([flat, deep], dim=1) @ axes.transpose(1, 2)
    return seen[..., :2], flat, deep


def test_the_first_mode_of_a_solid_is_its_depth() -> None:
    seen, flat, deep = turned_heads(40)
    weights = torch.ones(1, ANCHORED, 1)
    source = flat.expand_as(seen)
    left = source - fit_affine(source, seen, weights)(seen)
    mode = first_mode(left, weights.flatten())
    # In distant views of a solid, positions are affine except for one number per point (Koenderink
    # and van Doorn 1991): its depth minus the part that is affine in the positions.
    plane = torch.cat([flat, torch.ones(ANCHORED, 1)], dim=1)
    beyond = deep - plane @ torch.linalg.lstsq(plane, deep).solution
    cosine = torch.cosine_similarity(mode.depths.float(), beyond.flatten(), dim=0).abs()
    assert cosine > 0.98
    assert mode.share > 0.95


def test_parallax_is_that_of_points_that_move_by_their_depth() -> None:
    expected = torch.tensor([[0.05, -0.02], [0.0, 0.3]])
    left = expected.unsqueeze(1) * depths()
    assert_close(parallax(left, rigidity(), depths()), expected)


def test_a_head_that_does_not_turn_has_no_parallax() -> None:
    generator = torch.Generator().manual_seed(1)
    places = torch.rand(1, ANCHORED, 2, generator=generator) - 0.5
    driving = torch.cat([places, torch.ones(1, ANCHORED, 1)], dim=-1)
    source = driving.clone()
    source[..., :2] = 1.2 * places + 0.1
    assert_close(FaceGeometry(33)(source, driving).parallax, torch.zeros(1, 2), atol=1e-3, rtol=0)


def test_both_halves_of_a_face_have_the_same_depths() -> None:
    assert depths().flatten()[mirror_order()].tolist() == depths().flatten().tolist()


def test_untrained_depth_is_flat() -> None:
    network = Depth(48, 20).eval()
    assert_close(network(torch.rand(2, 68, 32, 32)), torch.zeros(2, 2, 32, 32))


def test_what_is_near_moves_with_the_turn_and_the_room_stays() -> None:
    torch.manual_seed(2)
    motion = FaceMotion(80, 48, 64).eval()
    keypoints = torch.cat([torch.rand(1, 80, 2) - 0.5, torch.ones(1, 80, 1)], dim=-1)
    driving = keypoints.clone()
    driving[:, :ANCHORED, :2] -= 0.1 * depths()
    features, depth = torch.zeros(1, 48, 32, 32), torch.zeros(1, 2, 32, 32)
    flat = motion(features, depth, keypoints, driving)
    near = motion(features, depth + 1.0, keypoints, driving)
    turn = motion.fine.geometry(keypoints, driving).parallax
    expected = (1 - near.masks[:, :1]) * turn[..., None, None]
    moved = (near.flow - flat.flow)[..., ::2, ::2].mean(dim=(2, 3))
    assert_close(moved, expected.mean(dim=(2, 3)), atol=2e-3, rtol=0)
