"""The representations the synthesis warps: RGB, upsampled RGB, or luma and half-size chroma."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from motioncast.models.geometry import identity_grid
from motioncast.models.lite.colours import (
    FinerSource,
    RgbSource,
    Warped,
    Yuv420Source,
    to_planes,
    to_rgb,
)

SIZE = 32


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def video(count: int) -> Tensor:
    """Returns images (count, 3, SIZE, SIZE) with constant chroma in each 2x2 square."""
    luma = 0.3 + 0.4 * noise(count, 1, SIZE, SIZE)
    colour = 0.1 * noise(count, 3, SIZE // 2, SIZE // 2, seed=1)
    red, blue = colour[:, 0], colour[:, 1]
    green = -(0.299 * red + 0.114 * blue) / 0.587  # no luma
    return luma + functional.interpolate(torch.stack([red, green, blue], 1), scale_factor=2.0)


def moved(pixels: tuple[float, float]) -> Tensor:
    """Returns the flow (1, 2, SIZE / 4, SIZE / 4) that samples at an offset to right and below."""
    shift = torch.tensor(pixels).view(1, 2, 1, 1) * (2 / (SIZE - 1))
    return identity_grid(SIZE // 4, SIZE // 4)[None] + shift


@pytest.mark.parametrize(
    ("colour", "expected"),
    [  # Y, Cb, Cr of JPEG (ITU-T T.871), around zero
        ((1.0, 0.0, 0.0), (0.299, -0.168736, 0.5)),
        ((0.0, 1.0, 0.0), (0.587, -0.331264, -0.418688)),
        ((0.0, 0.0, 1.0), (0.114, 0.5, -0.081312)),
        ((0.7, 0.7, 0.7), (0.7, 0.0, 0.0)),
    ],
)
def test_luma_and_chroma_are_those_of_jpeg(
    colour: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    luma, chroma = to_planes(torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 2, 2))
    assert_close(luma, torch.full((1, 1, 2, 2), expected[0]), atol=1e-5, rtol=0)
    assert_close(chroma.flatten(), torch.tensor(expected[1:]), atol=1e-5, rtol=0)


def test_luma_is_that_of_pillow() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    theirs = np.array(Image.fromarray(image).convert("YCbCr"))[..., 0]
    ours = to_planes(torch.from_numpy(image).permute(2, 0, 1)[None] / 255).luma[0, 0]
    assert_close(ours * 255, torch.from_numpy(theirs).float(), atol=1.001, rtol=0)  # it truncates


def test_an_image_of_420_video_survives_its_planes() -> None:
    image = video(2)
    assert_close(to_rgb(to_planes(image)), image)


def test_the_chroma_of_a_square_is_its_mean() -> None:
    image = noise(2, 3, SIZE, SIZE)
    halved = to_rgb(to_planes(image))
    assert_close(to_planes(halved).luma, to_planes(image).luma)
    assert_close(functional.avg_pool2d(halved, 2), functional.avg_pool2d(image, 2))
    colours = halved - to_planes(halved).luma
    assert_close(colours[..., ::2, ::2], colours[..., 1::2, 1::2], atol=1e-6, rtol=0)


def test_luma_and_chroma_lie_on_half_pixels_and_keep_their_own() -> None:
    image = video(2)
    finest, chroma = Yuv420Source(SIZE).prepare(image)

    assert finest.shape == (2, 3, 2 * SIZE - 1, 2 * SIZE - 1)
    assert chroma.shape == (2, 2, SIZE - 1, SIZE - 1)
    assert_close(finest[:, :1, ::2, ::2], to_planes(image).luma)
    assert_close(chroma[..., ::2, ::2], to_planes(image).chroma)
    assert finest[:, 0].min() >= 0
    assert finest[:, 0].max() <= 1


def test_video_has_no_chroma_but_that_of_its_squares() -> None:
    finest, _ = Yuv420Source(SIZE).prepare(video(2))
    assert_close(finest[:, 1:], torch.zeros(2, 2, 2 * SIZE - 1, 2 * SIZE - 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", [RgbSource, FinerSource, Yuv420Source])
def test_what_does_not_move_stays_as_it_is(kind: type[RgbSource]) -> None:
    source, image = kind(SIZE), noise(2, 3, SIZE, SIZE)  # with chroma at full resolution
    still = source.warp(source.prepare(image), moved((0, 0)).expand(2, -1, -1, -1))
    assert_close(still.image + still.detail, image, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [RgbSource, FinerSource, Yuv420Source])
def test_whole_squares_move_exactly(kind: type[RgbSource]) -> None:
    source, image = kind(SIZE), noise(1, 3, SIZE, SIZE)
    warped = source.warp(source.prepare(image), moved((4, 2)))
    shown = (warped.image + warped.detail)[..., :-2, :-4]
    assert_close(shown, image[..., 2:, 4:], atol=1e-4, rtol=0)


def test_a_wave_keeps_its_height_half_a_pixel_further() -> None:
    wave = 0.5 + 0.3 * torch.cos(math.pi / 2 * torch.arange(float(SIZE)))  # four samples a period
    image = wave.expand(1, 3, SIZE, SIZE)
    between = 0.5 + 0.3 * torch.cos(math.pi / 2 * (torch.arange(float(SIZE)) + 0.5))
    inside = slice(6, -6)

    def error(source: RgbSource) -> float:
        warped = source.warp(source.prepare(image), moved((0.5, 0))).image
        return float((warped - between)[..., inside].abs().max())

    assert error(Yuv420Source(SIZE)) < 0.01
    assert error(FinerSource(SIZE)) < 0.01
    assert error(RgbSource(SIZE)) > 0.05  # bilinear interpolation keeps cos(pi / 4) of it


def test_what_is_decoded_ends_as_420_video_within_its_range() -> None:
    decoded, nothing = noise(2, 3, SIZE, SIZE) * 1.4 - 0.2, torch.zeros(2, 1, SIZE, SIZE)
    warped = Warped(torch.ones(2, 3, SIZE, SIZE), torch.ones(2, 3, SIZE, SIZE))
    assert_close(RgbSource(SIZE).blend(decoded, nothing, warped), decoded)
    expected = to_rgb(to_planes(decoded)).clamp(0, 1)
    assert_close(Yuv420Source(SIZE).blend(decoded, nothing, warped), expected)


def test_smooth_chroma_survives_only_at_full_resolution() -> None:
    """Six samples a period: from a square's mean, a pixel is off by up to half a step, 0.1."""
    wave = 0.2 * torch.cos(math.pi / 3 * torch.arange(float(SIZE)))
    channels = [0.5 + wave, 0.5 - wave * 0.299 / 0.587, 0.5 + 0 * wave]  # the same luma everywhere
    painted = torch.stack(channels)[None, :, None].expand(-1, -1, SIZE, -1)
    nothing, warped = torch.zeros(1, 1, SIZE, SIZE), Warped(painted, torch.zeros(()))

    def error(source: RgbSource) -> float:
        return float((source.blend(painted, nothing, warped) - painted).abs().max())

    assert error(FinerSource(SIZE)) < 1e-6
    assert error(Yuv420Source(SIZE)) > 0.08


@pytest.mark.parametrize("kind", [RgbSource, FinerSource, Yuv420Source])
def test_where_the_mask_is_one_the_warped_source_is_seen_with_all_its_colours(
    kind: type[RgbSource],
) -> None:
    source, image = kind(SIZE), noise(1, 3, SIZE, SIZE)
    warped = source.warp(source.prepare(image), moved((0, 0)))
    shown = source.blend(torch.zeros(1, 3, SIZE, SIZE), torch.ones(1, 1, SIZE, SIZE), warped)
    assert_close(shown, image, atol=1e-4, rtol=0)
