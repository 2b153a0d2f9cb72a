"""Recurrent baselines without a latent: a comparable GRU, and the paper's "RNN" (Monkey-Net).

    GRU           d_t = g(h_{t-1}),  h_t = GRU(x_t, h_{t-1}), x_t its own forecast if predicted
    Monkey-Net    x_t = tanh(W h_t), h_t = GRU(x_t, h_{t-1}), x_t = 0 where predicted
                  (its keypoints have no intensity; ours, in [0, 1], is a sigmoid)

The first differs from the VRNN in the latent alone, so a comparison measures the latent. The second
is the paper's baseline (Siarohin et al. 2019): after the observed frames it is fed zeros.

Shapes: B batch, K keypoints, Z latent, H hidden, S state.
"""

import torch
from torch import Tensor, nn

from motioncast.models.predictors.coordinates import as_keypoints, take
from motioncast.models.predictors.gated import GatedRecurrence
from motioncast.models.predictors.recurrent import (
    Advance,
    Memory,
    MotionStatistics,
    PredictorSizes,
    RecurrentPredictor,
)
from motioncast.models.predictors.vrnn import two_layers


class GRU(RecurrentPredictor):
    """Forecasts displacements from the recurrence alone; ignores the noise."""

    def __init__(self, sizes: PredictorSizes, statistics: MotionStatistics | None = None) -> None:
        super().__init__(sizes, statistics)
        self.psi_x = nn.Sequential(nn.Linear(self.description_size, sizes.features), nn.ReLU())
        self.decoder = two_layers(sizes.hidden, sizes.features, self.code_size)
        self.recurrence = GatedRecurrence(sizes.features, sizes.hidden)

    def advance(
        self, memory: Memory, keypoints: Tensor, observed: Tensor, noise: Tensor
    ) -> Advance:
        """Forecasts and processes one frame (see RecurrentPredictor)."""
        forecast = self.place(memory, self.expand(self.decoder(memory.hidden)))
        current = take(observed, keypoints, forecast)  # (B, K, 3)
        x = self.psi_x(self.describe(memory, current, observed))
        hidden = self.recurrence(x, memory.hidden)
        return Advance(forecast, current, hidden)


class MonkeyNetGRU(RecurrentPredictor):
    """Monkey-Net's recurrent baseline: absolute positions, zeros fed past the observed frames."""

    def __init__(self, sizes: PredictorSizes, statistics: MotionStatistics | None = None) -> None:
        super().__init__(sizes, statistics)
        coordinates = 3 * sizes.keypoints
        self.recurrence = GatedRecurrence(coordinates, sizes.hidden)
        self.output = nn.Linear(sizes.hidden, coordinates)

    def advance(
        self, memory: Memory, keypoints: Tensor, observed: Tensor, noise: Tensor
    ) -> Advance:
        """Forecasts and processes one frame (see RecurrentPredictor), taking zeros as its input."""
        nothing = torch.zeros_like(memory.previous)
        unfed = self.recurrence(nothing.flatten(-2), memory.hidden)
        forecast = _bounded(as_keypoints(self.output(unfed)))
        fed = self.recurrence(take(observed, keypoints, nothing).flatten(-2), memory.hidden)
        current = take(observed, keypoints, forecast)
        return Advance(forecast, current, fed)


def _bounded(output: Tensor) -> Tensor:
    """Maps (..., K, 3) to positions in [-1, 1] and intensities in [0, 1], always with gradients.

    If it were clamped, an intensity that starts below zero would stay there.
    """
    return torch.cat([torch.tanh(output[..., :2]), torch.sigmoid(output[..., 2:])], dim=-1)
