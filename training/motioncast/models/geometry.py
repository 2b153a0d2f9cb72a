"""Grids, Gaussians, warps and resizing in corner-aligned coordinates.

The centre of the first pixel of a row is -1, that of the last is +1 (align_corners=True).
Shapes: N batch (or batch times time), K keypoints, C channels, H x W pixels.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional


def pixel_centres(count: int) -> Tensor:
    """Returns the coordinates of `count` pixel centres along one axis, (count,), from -1 to 1."""
    return torch.linspace(-1.0, 1.0, count)


def identity_grid(height: int, width: int) -> Tensor:
    """Returns the flow that leaves an image where it is, (2, H, W): x first, then y."""
    x, y = pixel_centres(width), pixel_centres(height)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Suspends autocast if it is on: bfloat16 rounds coordinates to a quarter of a pixel."""
    device = tensor.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def gaussian_profiles(keypoints: Tensor, centres: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """Returns exp(-(u - u_k)^2 / 2 variance) along x and along y, each (N, K, len(centres)).

    A Gaussian with the same variance in x and y is the outer product of the two, so the exponential
    is taken along the axes only.
    """
    distance = centres - keypoints[..., :2].unsqueeze(-1)  # (N, K, 2, S)
    exponent = distance.square() * (-0.5 / variance)
    # A product of two heights below 1e-19 is subnormal and makes the next convolution 3x slower.
    profiles = torch.exp(exponent.clamp(min=-30.0))
    return profiles[..., 0, :], profiles[..., 1, :]


def gaussians(keypoints: Tensor, centres: Tensor, variance: float) -> Tensor:
    """Returns one square Gaussian map of height 1 per keypoint, (N, K, S, S)."""
    along_x, along_y = gaussian_profiles(keypoints, centres, variance)
    return along_y.unsqueeze(-1) * along_x.unsqueeze(-2)


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Samples images (N, C, h, w) at positions flow (N, 2, H, W), with zeros outside the image."""
    return functional.grid_sample(
        image, flow.permute(0, 2, 3, 1), mode="bilinear", padding_mode="zeros", align_corners=True
    )


def warp_frames(image: Tensor, flow: Tensor) -> Tensor:
    """Samples each image (B, C, h, w) at its T flows (B * T, 2, H, W), as `warp`: (B * T, C, H, W).

    The image is not copied for every frame: its frames' flows are stacked vertically.
    """
    batch, channels = image.shape[:2]
    height, width = flow.shape[-2:]
    column = flow.view(batch, -1, 2, height, width).transpose(1, 2).flatten(2, 3)
    sampled = warp(image, column)  # (B, C, T * H, W)
    frames = sampled.reshape(batch, channels, -1, height, width).transpose(1, 2)
    return frames.reshape(-1, channels, height, width)


def interpolation_matrix(size: int, to: int) -> Tensor:
    """Returns the matrix (to, size) of corner-aligned linear interpolation along one axis."""
    position = torch.arange(to, dtype=torch.float64) * (size - 1) / (to - 1)
    below = position.floor().clamp(max=size - 2).long()
    fraction = position - below
    matrix = torch.zeros(to, size, dtype=torch.float64)
    matrix[torch.arange(to), below] = 1 - fraction
    matrix[torch.arange(to), below + 1] += fraction
    return matrix.float()


def lanczos_matrix(size: int, to: int, lobes: int = 3) -> Tensor:
    """Returns the matrix (to, size) of corner-aligned Lanczos upsampling."""
    position = torch.arange(to, dtype=torch.float64) * (size - 1) / (to - 1)
    distance = position[:, None] - torch.arange(size, dtype=torch.float64)
    weights = torch.sinc(distance) * torch.sinc(distance / lobes) * (distance.abs() < lobes)
    return (weights / weights.sum(dim=1, keepdim=True)).float()


class Resample(nn.Module):
    """Corner-aligned resampling of square maps, bilinear by default, as two small matrix products.

    For the two channels of a flow this is several times faster than ONNX Runtime's Resize.
    """

    matrix: Tensor

    def __init__(
        self,
        size: int,
        to: int,
        interpolation: Callable[[int, int], Tensor] = interpolation_matrix,
    ) -> None:
        super().__init__()
        self.register_buffer("matrix", interpolation(size, to), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C, size, size) to (N, C, to, to)."""
        with full_precision(maps):
            return self.matrix @ (maps @ self.matrix.t())


def space_to_depth(image: Tensor, block: int) -> Tensor:
    """Folds (N, C, H, W) into (N, C * block^2, H / block, W / block); inverse of pixel_shuffle."""
    return functional.pixel_unshuffle(image, block)
