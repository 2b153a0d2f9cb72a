"""Rearranged convolutions and sampling compute the same as the plain ones."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from motioncast.export.lite.bilinear import SampleFew, hats, locate, neighbourhoods, sample_many
from motioncast.export.lite.layers import (
    depth_to_space,
    from_pixels,
    part_of,
    phases_first,
    planes_of_pixels,
    softplus,
)


def test_a_convolution_of_pixels_does_what_one_behind_a_space_to_depth_does() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(12, 5, 3, padding=1)
    images = torch.rand(2, 3, 8, 8)
    expected = conv(functional.pixel_unshuffle(images, 2))
    assert_close(from_pixels(conv)(images), expected, atol=1e-6, rtol=0)
    assert_close(from_pixels(conv, scale=1 / 255)(images * 255), expected, atol=1e-6, rtol=0)


def test_a_convolution_is_the_sum_of_its_parts() -> None:
    torch.manual_seed(1)
    conv = nn.Conv2d(4 + 12, 5, 3, padding=1)
    features, images = torch.rand(2, 4, 4, 4), torch.rand(2, 3, 8, 8)
    expected = conv(torch.cat([features, functional.pixel_unshuffle(images, 2)], dim=1))
    of_features = part_of(conv, slice(4))(features)
    of_images = from_pixels(conv, slice(4, None), bias=False)(images)
    assert_close(of_features + of_images, expected, atol=1e-6, rtol=0)


def test_a_convolution_of_planes_does_what_one_of_their_pixels_does() -> None:
    torch.manual_seed(5)
    conv = nn.Conv2d(4 + 12, 5, 3, padding=1)
    conv.bias = None
    luma, chroma = torch.rand(2, 1, 8, 8), torch.rand(2, 2, 4, 4)
    rgb_of_chroma = torch.rand(3, 2)
    beyond = (rgb_of_chroma @ chroma.flatten(2)).view(2, 3, 4, 4)
    images = luma + functional.interpolate(beyond, scale_factor=2.0)
    nothing = torch.zeros(2, 4, 4, 4)
    expected = conv(torch.cat([nothing, functional.pixel_unshuffle(images, 2)], dim=1))
    planes = torch.cat([functional.pixel_unshuffle(luma, 2), chroma], dim=1)
    made = planes_of_pixels(conv, slice(4, None), rgb_of_chroma)(planes)
    assert_close(made, expected, atol=1e-6, rtol=0)


def test_depth_to_space_is_a_pixel_shuffle_of_reordered_channels() -> None:
    torch.manual_seed(2)
    conv = nn.Conv2d(3, 4 * 5, 3, padding=1)
    maps = torch.rand(2, 3, 4, 6)
    assert_close(depth_to_space(phases_first(conv)(maps)), functional.pixel_shuffle(conv(maps), 2))


def test_softplus_is_exact_far_from_zero_too() -> None:
    values = torch.tensor([-200.0, -3.0, 0.0, 3.0, 200.0])
    assert_close(softplus(values), functional.softplus(values.double()).float())


def sampled_by_pytorch(maps: Tensor, places: Tensor) -> Tensor:
    """Samples maps (B, C, S, S) at places (N, 2, P) in pixels, N = 2 B: (N, C, P)."""
    grid = places.transpose(1, 2).unsqueeze(1) * (2 / (maps.shape[-1] - 1)) - 1
    every = maps.repeat_interleave(2, dim=0)
    return functional.grid_sample(every, grid, align_corners=True).squeeze(2)


def test_bilinear_samples_are_pytorchs_inside_at_the_border_and_beyond() -> None:
    torch.manual_seed(3)
    maps = torch.rand(2, 3, 9, 9)
    places = torch.rand(4, 2, 200) * 14 - 3  # from 3 pixels before the image to 2 pixels after it
    places[:, :, :6] = torch.tensor([-1.0, 0.0, 4.0, 8.0, 8.5, 9.0])
    source = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    rows, weights = locate(places + 1, 9, source)
    table = neighbourhoods(maps.permute(0, 2, 3, 1))
    expected = sampled_by_pytorch(maps, places)
    assert_close(SampleFew(3)(table, rows, weights), expected, atol=1e-5, rtol=0)
    many = sample_many(table, rows, weights).transpose(1, 2)
    assert_close(many, expected, atol=1e-5, rtol=0)


def test_a_place_however_far_away_is_zero() -> None:
    table = neighbourhoods(torch.ones(1, 256, 256, 1))
    places = torch.tensor([[[-1e30, 1e30, torch.inf, 257.0], [5.0, 5.0, 5.0, 5.0]]])
    rows, weights = locate(places, 256, torch.zeros(1, 1))
    assert_close(SampleFew(1)(table, rows, weights), torch.zeros(1, 1, 4), atol=1e-4, rtol=0)


def test_hats_shift_a_map_as_a_constant_flow_does() -> None:
    torch.manual_seed(4)
    maps = torch.rand(1, 1, 6, 6)
    index = torch.arange(6.0)
    apart = index[:, None] - index
    shift_x, shift_y = torch.tensor(1.25), torch.tensor(-0.5)
    shifted = hats(shift_y, apart) @ (maps @ hats(-shift_x, apart))
    y, x = torch.meshgrid(index, index, indexing="ij")
    places = torch.stack([x + shift_x, y + shift_y]).flatten(1).expand(2, 2, 36)
    expected = sampled_by_pytorch(maps, places)[0].view(1, 1, 6, 6)
    assert_close(shifted, expected, atol=1e-6, rtol=0)
