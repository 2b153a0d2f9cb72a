"""The planes of a source that the synthesis warps, and how the final image is composed.

rgb      the source as it is
finer    the same, interpolated to half pixels once before warping, so moving it does not blur it
yuv420   luma, and chroma at half the resolution, as in video, each interpolated in this way

The chroma of a decoded video is constant over each square of four pixels, until it is resized; an
image with finer chroma has been given false detail. A source from a camera, or a downscaled one,
may have real chroma detail: with yuv420 it is warped alongside the planes and added where the image
shows the warped source.
Shapes: B sources, T driving frames for each, N = B * T, image side S, flow's side h.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.geometry import Resample, lanczos_matrix, warp_frames

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: BT.601, as in JPEG and MPEG
CB_SCALE = 0.5 / (1 - LUMA[2])  # Cb and Cr lie in [-0.5, 0.5]
CR_SCALE = 0.5 / (1 - LUMA[0])


class Planes(NamedTuple):
    """An image of 4:2:0 video: Y in [0, 1], Cb and Cr around 0, either possibly upsampled."""

    luma: Tensor  # (N, 1, S, S)
    chroma: Tensor  # (N, 2, S / 2, S / 2), each value centred on a square of four luma pixels


class Warped(NamedTuple):
    """A source after warping: RGB (N, 3, S, S)."""

    image: Tensor  # as video represents it
    detail: Tensor  # chroma finer than video's, to be added; zero if there is none


def to_planes(image: Tensor) -> Planes:
    """Converts RGB images (N, 3, S, S) in [0, 1]; chroma is the mean over each square."""
    luma, chroma = _split(image)
    return Planes(luma, functional.avg_pool2d(chroma, 2))


def to_rgb(planes: Planes) -> Tensor:
    """Converts to RGB (N, 3, S, S); all pixels of a square share its chroma."""
    return planes.luma + _over_squares(_beyond_luma(planes.chroma))


def _split(image: Tensor) -> tuple[Tensor, Tensor]:
    """Returns luma (N, 1, S, S) and chroma (N, 2, S, S)."""
    red, green, blue = image.unbind(1)
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    chroma = torch.stack([CB_SCALE * (blue - luma), CR_SCALE * (red - luma)], dim=1)
    return luma.unsqueeze(1), chroma


def _beyond_luma(chroma: Tensor) -> Tensor:
    """Returns the differences of red, green and blue from luma, (N, 3, S, S)."""
    blue, red = (chroma / chroma.new_tensor([[[CB_SCALE]], [[CR_SCALE]]])).unbind(1)
    green = (LUMA[0] * red + LUMA[2] * blue) / -LUMA[1]
    return torch.stack([red, green, blue], dim=1)


def _over_squares(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0)


class RgbSource(nn.Module):
    """Warps the source image as it is."""

    def __init__(self, size: int, flow_side: int | None = None) -> None:
        """Takes the sides of images and of flows, the latter a quarter of the former by default."""
        super().__init__()
        self.upsample_flow = Resample(flow_side or size // 4, size)

    def prepare(self, source: Tensor) -> tuple[Tensor, ...]:
        """Returns the planes to warp of source images (B, 3, S, S) in [0, 1]."""
        return (source,)

    def warp(self, prepared: tuple[Tensor, ...], flow: Tensor) -> Warped:
        """Warps the prepared planes by flows (N, 2, h, h)."""
        image = warp_frames(prepared[0], self.upsample_flow(flow))
        return Warped(image, image.new_zeros(()))

    def blend(self, decoded: Tensor, mask: Tensor, warped: Warped) -> Tensor:
        """Returns images (N, 3, S, S), the warped source where the mask (N, 1, S, S) is 1."""
        return decoded + mask * (warped.image - decoded)


class FinerSource(RgbSource):
    """Warps the upsampled source in RGB: for pictures that were resized, as framed ones are.

    Their chroma is smooth and would be wrong if it were constant over squares of four pixels.
    """

    def __init__(self, size: int, flow_side: int | None = None) -> None:
        super().__init__(size, flow_side)
        self.finer = Resample(size, 2 * size - 1, lanczos_matrix)

    def prepare(self, source: Tensor) -> tuple[Tensor, ...]:
        """Returns the source at (B, 3, 2 S - 1, 2 S - 1), clamped: hard edges would overshoot."""
        return (self.finer(source).clamp(0, 1),)


class Yuv420Source(RgbSource):
    """Warps upsampled planes of the source; images end up as 4:2:0 video."""

    def __init__(self, size: int, flow_side: int | None = None) -> None:
        super().__init__(size, flow_side)
        self.finer_luma = Resample(size, 2 * size - 1, lanczos_matrix)
        self.finer_chroma = Resample(size // 2, size - 1, lanczos_matrix)
        # The first pixels of the two planes lie half a luma pixel apart, so their corners differ.
        self.chroma_corner = (size - 1) / (size - 2)

    def prepare(self, source: Tensor) -> tuple[Tensor, ...]:
        """Returns luma and chroma's detail (B, 3, 2 S - 1, 2 S - 1), chroma (B, 2, S - 1, S - 1).

        Luma is clamped, as hard edges would overshoot its range.
        """
        luma, chroma = _split(source)
        halved = functional.avg_pool2d(chroma, 2)
        detail = chroma - _over_squares(halved)
        finest = [self.finer_luma(luma).clamp(0, 1), self.finer_luma(detail)]
        return torch.cat(finest, dim=1), self.finer_chroma(halved)

    def warp(self, prepared: tuple[Tensor, ...], flow: Tensor) -> Warped:
        finest, chroma = prepared
        of_luma = self.upsample_flow(flow)
        of_chroma = functional.avg_pool2d(of_luma, 2) * self.chroma_corner
        luma_and_detail = warp_frames(finest, of_luma)
        planes = Planes(luma_and_detail[:, :1], warp_frames(chroma, of_chroma))
        return Warped(to_rgb(planes), _beyond_luma(luma_and_detail[:, 1:]))

    def blend(self, decoded: Tensor, mask: Tensor, warped: Warped) -> Tensor:
        halved = to_rgb(to_planes(super().blend(decoded, mask, warped)))
        return (halved + mask * warped.detail).clamp(0, 1)
