"""The lite keypoint detector as served: `LiteKeypointDetector`, from bytes to keypoints.

Shapes: N images, K keypoints, S image side, h = S / 4.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.export.folding import fold_batch_norms
from motioncast.export.lite.layers import first_of, from_pixels, softplus
from motioncast.models.geometry import identity_grid
from motioncast.models.lite.detector import HEIGHT_SPREAD, SHAPE_LIMIT, LiteKeypointDetector

MIDDLE = 127.5  # subtracted from levels, so that zero padding is grey


class ServedLiteDetector(nn.Module):
    """Images uint8 (N, S, S, 3) -> keypoints (N, K, 3)."""

    height_scale: Tensor
    height_offset: Tensor

    def __init__(self, detector: LiteKeypointDetector) -> None:
        super().__init__()
        self.detector = folded = fold_batch_norms(detector)
        first, second = folded.stem
        self.stem = nn.Sequential(from_pixels(first_of(first), scale=1 / 255), nn.ReLU(), second)
        scale, offset = _as_affine(folded.normalise)
        self.register_buffer("height_scale", scale, persistent=False)  # (K, 1)
        self.register_buffer("height_offset", offset, persistent=False)  # (K, 1)

    def forward(self, image: Tensor) -> Tensor:
        levels = image.permute(0, 3, 1, 2).float()
        maps = self._maps(levels - MIDDLE)  # (N, 2 K, h, h)
        grid = identity_grid(*maps.shape[-2:]).flatten(1).t()  # (h * h, 2)
        shape, appearance = maps.flatten(2).chunk(2, dim=1)  # (N, K, h * h)
        shape = torch.tanh(shape * (1 / SHAPE_LIMIT)) * SHAPE_LIMIT
        where = torch.softmax(shape * (1 / self.detector.temperature), dim=-1)
        height = (where * appearance).sum(dim=-1, keepdim=True)
        height = height * self.height_scale + self.height_offset  # (N, K, 1)
        logits = shape - (shape.mean(dim=-1, keepdim=True) - height)
        mean = softplus(logits).mean(dim=-1, keepdim=True)
        intensity = mean / mean.amax(dim=1, keepdim=True).clamp(min=1e-6)
        return torch.cat([where @ grid, intensity], dim=-1)

    def _maps(self, images: Tensor) -> Tensor:
        part = self.detector
        at32 = part.level32(self.stem(images))
        at16 = part.level16(at32)
        at8 = part.level8(at16)
        up16 = part.up16(functional.interpolate(at8, scale_factor=2.0)) + at16
        up32 = part.up32(functional.interpolate(up16, scale_factor=2.0)) + at32
        maps: Tensor = part.shape_and_appearance(part.refine32(up32))
        return maps


def _as_affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Returns scale and offset (K, 1) that combine the heights' normalisation and spread."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = HEIGHT_SPREAD / (norm.running_var.double() + norm.eps).sqrt()
    offset = -norm.running_mean.double() * scale
    return scale.float().unsqueeze(1), offset.float().unsqueeze(1)
