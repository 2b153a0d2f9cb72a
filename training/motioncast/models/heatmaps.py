"""From heatmap logits to keypoints: expected position and relative mean intensity.

    position   = sum over pixels of softmax(logits / temperature) * grid      (Monkey-Net)
    intensity  = mean softplus(logits), relative to the largest of the K      (Structured VRNN)

A softmax heatmap has a constant mean, so the intensity needs the un-normalised map.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.geometry import full_precision, pixel_centres


def spatial_softmax(logits: Tensor, temperature: float) -> Tensor:
    """Returns heatmaps (N, K, H, W) that each sum to one."""
    heatmaps = functional.softmax(logits.flatten(2) / temperature, dim=-1)
    return heatmaps.view_as(logits)


def expected_coordinates(heatmaps: Tensor) -> Tensor:
    """Returns the mean position (N, K, 2) of heatmaps (N, K, H, W) that each sum to one."""
    height, width = heatmaps.shape[-2:]
    with full_precision(heatmaps):
        x = heatmaps.sum(dim=-2) @ pixel_centres(width).to(heatmaps)  # (N, K, W) -> (N, K)
        y = heatmaps.sum(dim=-1) @ pixel_centres(height).to(heatmaps)  # (N, K)
    return torch.stack([x, y], dim=-1)


def relative_intensities(logits: Tensor) -> Tensor:
    """Returns the mean of each non-negative heatmap over the largest of the K, (N, K) in [0, 1]."""
    means = functional.softplus(logits).mean(dim=(-2, -1))
    return means / means.amax(dim=-1, keepdim=True).clamp(min=1e-6)


class KeypointReadout(nn.Module):
    """Turns heatmap logits (N, K, H, W) into keypoints (N, K, 3): x, y in [-1, 1], intensity."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, logits: Tensor) -> Tensor:
        position = expected_coordinates(spatial_softmax(logits, self.temperature))
        return torch.cat([position, relative_intensities(logits).unsqueeze(-1)], dim=-1)
