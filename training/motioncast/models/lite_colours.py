"""What the lite synthesis warps of a source, and what it makes of the image in the end.

rgb      the source as it is
yuv420   luma, and chroma at half the resolution, as video has them: what is warped is each of them
         interpolated to half pixels, once, so that moving it does not blur it

The chroma of a decoded video is the same for all four pixels of a square; an image whose chroma is
finer has been given detail that is not there.
Shapes: B sources, T driving frames for each, N = B * T, image side S.
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
    """An image of 4:2:0 video: Y in [0, 1], Cb and Cr around 0, or either of them finer."""

    luma: Tensor  # (N, 1, S, S)
    chroma: Tensor  # (N, 2, S / 2, S / 2), a pixel in the middle of four of luma


def to_planes(image: Tensor) -> Planes:
    """Converts RGB images (N, 3, S, S) in [0, 1]; chroma is the mean over each square."""
    red, green, blue = image.unbind(1)
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    chroma = torch.stack([CB_SCALE * (blue - luma), CR_SCALE * (red - luma)], dim=1)
    return Planes(luma.unsqueeze(1), functional.avg_pool2d(chroma, 2))


def to_rgb(planes: Planes) -> Tensor:
    """Converts to RGB (N, 3, S, S); all pixels of a square take its chroma."""
    blue, red = (planes.chroma / planes.chroma.new_tensor([[[CB_SCALE]], [[CR_SCALE]]])).unbind(1)
    green = (LUMA[0] * red + LUMA[2] * blue) / -LUMA[1]
    beyond_luma = torch.stack([red, green, blue], dim=1)
    return planes.luma + functional.interpolate(beyond_luma, scale_factor=2.0)


class RgbSource(nn.Module):
    """The source image is warped as it is."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.upsample_flow = Resample(size // 4, size)

    def prepare(self, source: Tensor) -> tuple[Tensor, ...]:
        """Returns what is warped of source images (B, 3, S, S) in [0, 1]."""
        return (source,)

    def warp(self, prepared: tuple[Tensor, ...], flow: Tensor) -> Tensor:
        """Returns (N, 3, S, S), warped by flows (N, 2, S / 4, S / 4)."""
        return warp_frames(prepared[0], self.upsample_flow(flow))

    def finish(self, image: Tensor) -> Tensor:
        """Returns images (N, 3, S, S) as they are shown."""
        return image


class Yuv420Source(RgbSource):
    """The planes of the source are warped, finer than they were; images end as 4:2:0 video."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.finer_luma = Resample(size, 2 * size - 1, lanczos_matrix)
        self.finer_chroma = Resample(size // 2, size - 1, lanczos_matrix)
        # Half a pixel of luma lies between the first pixels of the two: corners differ.
        self.chroma_corner = (size - 1) / (size - 2)

    def prepare(self, source: Tensor) -> tuple[Tensor, ...]:
        """Returns luma (B, 1, 2 S - 1, 2 S - 1) and chroma (B, 2, S - 1, S - 1).

        Hard edges would overshoot luma's range.
        """
        planes = to_planes(source)
        return self.finer_luma(planes.luma).clamp(0, 1), self.finer_chroma(planes.chroma)

    def warp(self, prepared: tuple[Tensor, ...], flow: Tensor) -> Tensor:
        luma, chroma = prepared
        of_luma = self.upsample_flow(flow)
        of_chroma = functional.avg_pool2d(of_luma, 2) * self.chroma_corner
        return to_rgb(Planes(warp_frames(luma, of_luma), warp_frames(chroma, of_chroma)))

    def finish(self, image: Tensor) -> Tensor:
        return to_rgb(to_planes(image)).clamp(0, 1)
