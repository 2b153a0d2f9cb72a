"""Parts of the converted networks agree with values worked out by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.models.mediapipe.finder import CANDIDATES, FaceFinder
from motioncast.models.mediapipe.layers import SameConv
from motioncast.models.mediapipe.mesh import Region
from motioncast.models.mediapipe.near_finder import NearFinder
from motioncast.models.mediapipe.topology import LIPS, MESH, RIGHT_IRIS, refinement


def _mesh(points: dict[int, tuple[float, float]]) -> Tensor:
    mesh = torch.full((1, MESH, 2), 96.0)
    for index, place in points.items():
        mesh[0, index] = torch.tensor(place)
    return mesh


def test_a_stride_of_two_leaves_out_the_first_row_and_column_of_the_padding() -> None:
    conv = SameConv(1, 1, 3, stride=2)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        assert conv.bias is not None
        conv.bias.zero_()
    sums = conv(torch.ones(1, 1, 4, 4))
    assert sums.squeeze().tolist() == [[9.0, 6.0], [6.0, 4.0]]


def test_an_upright_region_is_one_and_a_half_times_the_box() -> None:
    mesh = _mesh({0: (40, 80), 1: (120, 80), 2: (80, 120)})
    region = Region.around(mesh, (0, 1, 2), level=(0, 1))
    assert_close(region.centre, torch.tensor([[20.0, 25.0]]))  # in pixels of 48
    assert_close(region.across, torch.tensor([[30.0, 0.0]]))
    assert_close(region.down, torch.tensor([[0.0, 15.0]]))


def test_a_region_turns_with_its_points() -> None:
    # The same triangle rotated a quarter turn clockwise: its level line points downwards.
    mesh = _mesh({0: (80, 40), 1: (80, 120), 2: (40, 80)})
    region = Region.around(mesh, (0, 1, 2), level=(0, 1))
    assert_close(region.centre, torch.tensor([[15.0, 20.0]]))
    assert_close(region.across, torch.tensor([[0.0, 30.0]]))
    assert_close(region.down, torch.tensor([[-15.0, 0.0]]))


def test_a_region_of_a_ramp_says_where_its_pixels_are() -> None:
    places = torch.arange(48.0) + 0.5  # centres of pixels
    ramps = torch.stack([places.expand(48, 48), places[:, None].expand(48, 48)])[None]
    half_turned = Region(
        torch.tensor([[8.0, 8.0]]), torch.tensor([[-8.0, 8.0]]), torch.tensor([[24.0, 20.0]])
    )
    cut = half_turned.cut(ramps)[0]
    for row, column in ((0, 0), (3, 12), (15, 15)):
        u, v = (column + 0.5) / 16 - 0.5, (row + 0.5) / 16 - 0.5
        expected = [24 + 8 * u - 8 * v, 20 + 8 * u + 8 * v]
        assert_close(cut[:, row, column], torch.tensor(expected))


def test_beyond_the_features_a_region_is_zero() -> None:
    shifted = Region(
        torch.tensor([[16.0, 0.0]]), torch.tensor([[0.0, 16.0]]), torch.tensor([[0.0, 24.0]])
    )
    cut = shifted.cut(torch.ones(1, 1, 48, 48))
    assert (cut[..., :8] == 0).all()
    assert (cut[..., 8:] == 1).all()


def test_points_of_a_region_are_put_back_where_it_is() -> None:
    region = Region(
        torch.tensor([[0.0, 30.0]]), torch.tensor([[-15.0, 0.0]]), torch.tensor([[15.0, 20.0]])
    )
    points = torch.tensor([[[32.0, 32.0], [0.0, 0.0], [64.0, 0.0]]])  # middle, and two corners
    expected = torch.tensor([[[60.0, 80.0], [90.0, 20.0], [90.0, 140.0]]])
    assert_close(region.place(points), expected)


def test_a_refined_point_is_its_regions_and_every_other_the_meshs() -> None:
    places = refinement()
    assert len(places) == len(set(places)) == 478
    assert places[LIPS[3]] == MESH + 3
    assert places[RIGHT_IRIS[0]] == MESH + 80 + 71 + 71 + 5
    assert places[4] == 4  # the tip of the nose


class _ScriptedFinder(FaceFinder):
    """Detects a face at row 10, column 30, and a less confident one at row 2, column 3."""

    def raw(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        scores = torch.full((1, 48 * 48, 1), -20.0)
        boxes = torch.zeros(1, 48 * 48, 8)
        scores[0, 10 * 48 + 30] = math.log(3)
        scores[0, 2 * 48 + 3] = 0.0
        boxes[0, 10 * 48 + 30] = torch.tensor([9.6, -19.2, 96.0, 48.0, -9.6, 0.0, 9.6, 19.2])
        return scores, boxes


def test_candidates_are_sorted_and_lie_about_their_places() -> None:
    candidates = _ScriptedFinder()(torch.zeros(1, 3, 192, 192))

    assert candidates.shape == (1, CANDIDATES, 9)
    x, y = 30.5 / 48, 10.5 / 48
    expected = [0.75, x + 0.05, y - 0.1, 0.5, 0.25, x - 0.05, y, x + 0.05, y + 0.1]
    assert_close(candidates[0, 0], torch.tensor(expected))
    assert_close(candidates[0, 1, :3], torch.tensor([0.5, 3.5 / 48, 2.5 / 48]))


class _ScriptedNearFinder(NearFinder):
    """Detects one face with two anchors at one position, and a less confident one far away."""

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = torch.full((1, 896, 1), -20.0)
        boxes = torch.zeros(1, 896, 8)
        first = 2 * (8 * 16 + 8)  # row 8, column 8 of 16
        logits[0, first] = math.log(3)  # 0.75
        logits[0, first + 1] = math.log(1.5)  # 0.6
        boxes[0, first] = torch.tensor([0.0, 0.0, 64.0, 64.0, -16.0, 0.0, 16.0, 0.0])
        boxes[0, first + 1] = torch.tensor([0.0, 9.0, 64.0, 64.0, -16.0, 9.0, 16.0, 9.0])
        logits[0, 0] = math.log(1.5)
        boxes[0, 0] = torch.tensor([0.0, 0.0, 8.0, 8.0, 0.0, 0.0, 0.0, 0.0])
        return logits, boxes


def test_the_near_finder_weighs_the_boxes_of_one_face_by_their_scores() -> None:
    face = _ScriptedNearFinder()(torch.zeros(1, 3, 128, 128))

    centre, lower = 8.5 / 16, 9 * 0.6 / (0.75 + 0.6) / 128
    assert_close(face.box, torch.tensor([[centre, centre + lower, 0.5, 0.5]]))
    eyes = [[centre - 0.125, centre + lower], [centre + 0.125, centre + lower]]
    assert_close(face.eyes, torch.tensor([eyes]))
