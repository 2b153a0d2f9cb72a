"""The synthesis at half and full resolution: warping, decoding and blending.

    output = decoded + mask * (warped - decoded)

There is one renderer per kind of `lite.colours`. Shapes: B sources, T driving frames for each,
N = B * T, S image side, h side of the flow; phases are the four pixels of a 2x2 square, (dy, dx).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from motioncast.export.lite.bilinear import SampleFew, locate, neighbourhoods
from motioncast.export.lite.layers import (
    BLOCK,
    depth_to_space,
    first_of,
    from_pixels,
    part_of,
    phases_first,
    planes_of_pixels,
)
from motioncast.models.lite.colours import FinerSource, RgbSource, Yuv420Source, to_planes

COLOURS = 3
PHASES = BLOCK**2
LUMA, CHROMA = 1, 2


class RenderingParts(NamedTuple):
    """The parts of a folded network that operate at half and full resolution."""

    colours: RgbSource
    decoder: nn.Sequential  # at half the side: a convolution, its norm, a ReLU, then the rest
    to_rgb_and_mask: nn.Conv2d
    features: int  # channels of the decoder's input that come from the quarter-side stage


class RgbRenderer(nn.Module):
    """Warps the source in RGB."""

    up: Tensor

    def __init__(self, parts: RenderingParts) -> None:
        super().__init__()
        first, features = first_of(parts.decoder), parts.features
        self.register_buffer("up", parts.colours.upsample_flow.matrix, persistent=False)  # (S, h)
        self.sample = SampleFew(COLOURS)
        self.of_features = part_of(first, slice(features))
        self.of_warped = from_pixels(first, slice(features, None), bias=False)
        self.decoder64 = parts.decoder[3:]
        self.to_rgb_and_mask = phases_first(parts.to_rgb_and_mask)

    def prepare(self, levels: Tensor) -> tuple[Tensor, ...]:
        """Returns sampling tables of source images (B, 3, S, S) from 0 to 255."""
        return (neighbourhoods(levels.permute(0, 2, 3, 1) * (1 / 255)),)

    def forward(
        self, tables: tuple[Tensor, ...], flow: Tensor, source: Tensor, at64: Tensor
    ) -> Tensor:
        """Renders images (N, S, S, 3) from 0 to 255.

        Args:
            tables: the sources' tables, from `prepare`.
            flow: (N, 2, h * h) in pixels of the h grid.
            source: index of each image's source, (N, 1).
            at64: decoder features so far, (N, C, S / 2, S / 2).
        """
        side, small = self.up.shape
        places = flow * ((side - 1) / (small - 1)) + 1  # in pixels of the image from pixel -1
        places = self.up @ (places.view(-1, 2, small, small) @ self.up.t())
        rows, weights = locate(places.flatten(2), side, source)
        warped: Tensor = self.sample(tables[0], rows, weights).view(-1, COLOURS, side, side)
        at64 = torch.relu(self.of_features(at64) + self.of_warped(warped - 0.5))
        rendered = depth_to_space(torch.sigmoid(self.to_rgb_and_mask(self.decoder64(at64))))
        decoded, mask = rendered[:, :COLOURS], rendered[:, COLOURS:]
        image: Tensor = decoded + mask * (warped - decoded)
        return image.permute(0, 2, 3, 1) * 255


class FinerRenderer(nn.Module):
    """Warps the upsampled source in RGB, as phases, and rearranges the image last."""

    up: Tensor
    to_levels: Tensor

    def __init__(self, parts: RenderingParts) -> None:
        super().__init__()
        assert isinstance(parts.colours, FinerSource)
        self.network = parts.colours
        first, features = first_of(parts.decoder), parts.features
        self.register_buffer("up", _phases(parts.colours), persistent=False)
        self.sample = SampleFew(COLOURS)
        self.of_features = part_of(first, slice(features))
        self.of_warped = part_of(first, slice(features, None), bias=False)
        self.decoder64 = parts.decoder[3:]
        self.to_rgb_and_mask = parts.to_rgb_and_mask
        phases = torch.eye(COLOURS * PHASES).view(COLOURS, PHASES, -1).transpose(0, 1)
        self.register_buffer("to_levels", 255 * phases.flatten(0, 1), persistent=False)

    def prepare(self, levels: Tensor) -> tuple[Tensor, ...]:
        """Returns sampling tables of source images (B, 3, S, S) from 0 to 255."""
        (finer,) = self.network.prepare(levels * (1 / 255))
        return (neighbourhoods(finer.permute(0, 2, 3, 1)),)

    def forward(
        self, tables: tuple[Tensor, ...], flow: Tensor, source: Tensor, at64: Tensor
    ) -> Tensor:
        """Renders images (N, S, S, 3) as `RgbRenderer` does."""
        warped = self._warp(tables[0], flow, source)
        at64 = torch.relu(self.of_features(at64) + self.of_warped(warped - 0.5))
        rendered = torch.sigmoid(self.to_rgb_and_mask(self.decoder64(at64)))
        decoded, mask = rendered[:, :-PHASES], rendered[:, -PHASES:]
        image = decoded + mask.repeat(1, COLOURS, 1, 1) * (warped - decoded)
        levels = self.to_levels @ image.flatten(2)  # (N, (phase, c), S / 2 * S / 2)
        return depth_to_space(levels.view_as(image)).permute(0, 2, 3, 1)

    def _warp(self, table: Tensor, flow: Tensor, source: Tensor) -> Tensor:
        """Returns the warped source (N, (c, phase), S / 2, S / 2)."""
        half, small = self.up.shape[1:]
        side = BLOCK * BLOCK * half - 1
        places = _of_phases(self.up, _pixels(flow, small, side))
        warped: Tensor = self.sample(table, *locate(places, side, source))
        return warped.view(-1, COLOURS * PHASES, half, half)


class Yuv420Renderer(nn.Module):
    """Warps luma and chroma detail as phases, and chroma at half the side; converts to RGB last.

    Blending is linear, so the decoded and the warped image can be blended in luma and chroma, and
    one matrix then turns all of them into red, green and blue.
    """

    up: Tensor
    up_chroma: Tensor
    to_colours: Tensor

    def __init__(self, parts: RenderingParts) -> None:
        super().__init__()
        assert isinstance(parts.colours, Yuv420Source)
        self.network = parts.colours
        first, features = first_of(parts.decoder), parts.features
        phases = _phases(parts.colours)
        self.register_buffer("up", phases, persistent=False)
        self.register_buffer("up_chroma", phases.mean(dim=0), persistent=False)
        self.sample_finest, self.sample_chroma = SampleFew(COLOURS), SampleFew(CHROMA)
        self.of_features = part_of(first, slice(features))
        self.of_planes = planes_of_pixels(first, slice(features, None), _rgb_of_planes()[:, LUMA:])
        self.decoder64 = parts.decoder[3:]
        self.to_rgb_and_mask = parts.to_rgb_and_mask
        self.register_buffer("to_colours", 255 * _colours(), persistent=False)

    def prepare(self, levels: Tensor) -> tuple[Tensor, ...]:
        """Returns sampling tables of source images (B, 3, S, S) from 0 to 255."""
        planes = self.network.prepare(levels * (1 / 255))
        return tuple(neighbourhoods(plane.permute(0, 2, 3, 1)) for plane in planes)

    def forward(
        self, tables: tuple[Tensor, ...], flow: Tensor, source: Tensor, at64: Tensor
    ) -> Tensor:
        """Renders images (N, S, S, 3) as `RgbRenderer` does."""
        finest, chroma = self._warp(tables, flow, source)
        planes = torch.cat([finest[:, :PHASES] - 0.5, chroma], dim=1)
        at64 = torch.relu(self.of_features(at64) + self.of_planes(planes))
        rendered = torch.sigmoid(self.to_rgb_and_mask(self.decoder64(at64)))
        decoded, mask = rendered[:, :-PHASES], rendered[:, -PHASES:]
        masks = mask.repeat(1, COLOURS, 1, 1)
        of_chroma = mask.mean(dim=1, keepdim=True) * chroma
        parts = torch.cat([decoded * (1 - masks), finest * masks, of_chroma], dim=1)
        colours = self.to_colours @ parts.flatten(2)  # (N, (phase, c), S / 2 * S / 2)
        return depth_to_space(colours.clamp(0, 255).view(-1, *_shape(parts))).permute(0, 2, 3, 1)

    def _warp(
        self, tables: tuple[Tensor, ...], flow: Tensor, source: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns luma and detail (N, (plane, phase), S / 2, S / 2), chroma (N, 2, S / 2, S / 2).

        Interpolated luma has 2 S - 1 pixels along a side, chroma S - 1. Counted from the pixel
        before the first, a coordinate in chroma is half that in luma.
        """
        half, small = self.up_chroma.shape
        side = BLOCK * BLOCK * half - 1
        places = _pixels(flow, small, side)
        of_luma = _of_phases(self.up, places)
        of_chroma = self.up_chroma @ (places @ self.up_chroma.t()) * 0.5
        finest: Tensor = self.sample_finest(tables[0], *locate(of_luma, side, source))
        chroma = self.sample_chroma(tables[1], *locate(of_chroma.flatten(2), side // 2, source))
        return finest.view(-1, COLOURS * PHASES, half, half), chroma.view(-1, CHROMA, half, half)


def _phases(colours: RgbSource) -> Tensor:
    """Returns the matrices (2, S / 2, h) from a flow's rows to every second row of an image."""
    up = colours.upsample_flow.matrix  # (S, h)
    return up.view(-1, BLOCK, up.shape[1]).transpose(0, 1).contiguous()


def _pixels(flow: Tensor, small: int, side: int) -> Tensor:
    """Returns a flow (N, 2, h * h) in pixels of a side, from pixel -1: (N, 2, h, h)."""
    return (flow * ((side - 1) / (small - 1)) + 1).view(-1, 2, small, small)


def _of_phases(up: Tensor, places: Tensor) -> Tensor:
    """Upsamples places (N, 2, h, h) to (N, 2, (phase, S / 2, S / 2))."""
    return (up.unsqueeze(1) @ (places[:, :, None, None] @ up.transpose(1, 2))).flatten(2)


def _shape(parts: Tensor) -> tuple[int, int, int]:
    return COLOURS * PHASES, parts.shape[2], parts.shape[3]


def _planes_of_rgb() -> Tensor:
    """Returns the matrix (3, 3) from red, green, blue to Y, Cb, Cr."""
    squares = torch.eye(COLOURS)[..., None, None].expand(-1, -1, BLOCK, BLOCK)
    luma, chroma = to_planes(squares)
    return torch.cat([luma[..., :1, :1], chroma], dim=1).flatten(1).t()


def _rgb_of_planes() -> Tensor:
    """Returns the matrix (3, 3) from Y, Cb, Cr to red, green, blue."""
    inverse: Tensor = torch.linalg.inv(_planes_of_rgb())
    return inverse


def _colours() -> Tensor:
    """Returns the matrix from decoded colours, warped planes and warped chroma to RGB.

    Its shape is ((phase, c), (c, phase) + (plane, phase) + 2). Decoded chroma is averaged over the
    phases, like the chroma at half the side; planes warped with luma keep their phases.
    """
    of_rgb, of_planes, phases = _planes_of_rgb(), _rgb_of_planes(), torch.eye(PHASES)
    of_chroma = of_planes[:, LUMA:]
    luma = torch.einsum("c,pq->pcq", of_rgb[0], phases).flatten(1)  # (phase, (c, phase))
    chroma = of_rgb[LUMA:].repeat_interleave(PHASES, dim=1) / PHASES  # (2, (c, phase))
    decoded = luma.unsqueeze(1) + of_chroma @ chroma  # (phase, c, (c, phase))
    warped = torch.einsum("ck,pq->pckq", of_planes, phases).flatten(2)  # (phase, c, (plane, phase))
    halved = of_chroma.expand(PHASES, -1, -1)
    return torch.cat([decoded, warped, halved], dim=-1).flatten(0, 1)
