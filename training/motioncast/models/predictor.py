"""What all recurrent predictors share: sizes, an explicit state and the unroll over a timeline.

A predictor forecasts the displacement d_t of the keypoints from the frame before, in units of its
standard deviation, so that "no motion" is the easiest answer:

    forecast_t = clamp(x_{t-1} + unit * d_t)
    x_t        = the given keypoints where observed, forecast_t where predicted (free running)

The state is one vector per batch element, [hidden | keypoints of the frame before | seen]; all
zeros means that nothing has been seen yet.

Shapes: B batch, T time, K keypoints (x, y, intensity), Z latent, H hidden, S = H + 3K + 1 state.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class PredictorSizes:
    """The sizes of a recurrent predictor."""

    keypoints: int = 16
    hidden: int = 256
    latent: int = 16
    features: int = 128  # width of the feedforward networks


LITE128 = PredictorSizes()
PAPER64 = PredictorSizes(keypoints=10, hidden=512)  # Minderer et al. 2019
PREDICTOR_SIZES = {"lite128": LITE128, "paper64": PAPER64}


@dataclass(frozen=True, slots=True)
class MotionStatistics:
    """Where the keypoints of a training set lie and how far they move from frame to frame."""

    mean: Tensor  # (K, 3)
    std: Tensor  # (K, 3), positive
    unit: Tensor  # (K, 3), positive: standard deviation of the displacement

    @classmethod
    def neutral(cls, keypoints: int) -> "MotionStatistics":
        """Centres every keypoint at the origin with unit scales, before any data is known."""
        ones = torch.ones(keypoints, 3)
        return cls(mean=torch.zeros(keypoints, 3), std=ones, unit=ones)


class Memory(NamedTuple):
    """The state vector taken apart."""

    hidden: Tensor  # (..., H)
    previous: Tensor  # (..., K, 3), keypoints of the frame before
    seen: Tensor  # (..., 1), 1 once a frame has been observed


class Unrolled(NamedTuple):
    """A stretch of the timeline after the predictor has run over it."""

    forecast: Tensor  # (B, T, K, 3)
    next_state: Tensor  # (B, S)
    states: Tensor  # (B, T, S), the state before every step


class RecurrentPredictor(nn.Module, ABC):
    """A predictor that runs over a timeline one step at a time with an explicit state."""

    mean: Tensor
    std: Tensor
    unit: Tensor

    def __init__(self, sizes: PredictorSizes, statistics: MotionStatistics | None = None) -> None:
        super().__init__()
        self.sizes = sizes
        statistics = statistics or MotionStatistics.neutral(sizes.keypoints)
        self.register_buffer("mean", statistics.mean.clone())
        self.register_buffer("std", statistics.std.clone())
        self.register_buffer("unit", statistics.unit.clone())

    @property
    def state_size(self) -> int:
        """S, the length of the state vector."""
        return self.sizes.hidden + 3 * self.sizes.keypoints + 1

    @abstractmethod
    def step(
        self, keypoints: Tensor, observed: Tensor, noise: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Advances the timeline by one frame.

        Args:
            keypoints: (B, K, 3), the frame's keypoints; ignored where it is not observed.
            observed: (B,), 1 where the frame is observed, 0 where it is to be predicted.
            noise: (B, Z), standard normal, or zeros for the mean path.
            state: (B, S), zeros at the start of a session.

        Returns:
            The forecast of this frame from everything before it (B, K, 3), with x and y in [-1, 1]
            and intensity in [0, 1], and the next state (B, S).
        """

    def unroll(self, keypoints: Tensor, observed: Tensor, noise: Tensor, state: Tensor) -> Unrolled:
        """Runs `step` over (B, T, K, 3), (B, T), (B, T, Z) from state (B, S)."""
        forecasts, states = [], []
        for t in range(keypoints.shape[1]):
            states.append(state)
            forecast, state = self.step(keypoints[:, t], observed[:, t], noise[:, t], state)
            forecasts.append(forecast)
        return Unrolled(torch.stack(forecasts, dim=1), state, torch.stack(states, dim=1))

    def forward(
        self, keypoints: Tensor, observed: Tensor, noise: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns forecast (B, T, K, 3) and next state (B, S): the served interface."""
        unrolled = self.unroll(keypoints, observed, noise, state)
        return unrolled.forecast, unrolled.next_state

    def recall(self, state: Tensor) -> Memory:
        """Takes states (..., S) apart."""
        hidden = state[..., : self.sizes.hidden]
        previous = as_keypoints(state[..., self.sizes.hidden : -1])
        return Memory(hidden, previous, state[..., -1:])

    def place(self, memory: Memory, displacement: Tensor) -> Tensor:
        """Returns the keypoints (..., K, 3) that a displacement (..., 3K) leads to.

        Before anything has been seen, this is the mean position in the training set.
        """
        moved = memory.previous + self.unit * as_keypoints(displacement)
        return clamp_keypoints(torch.where(memory.seen[..., None] > 0, moved, self.mean))

    def describe(self, memory: Memory, keypoints: Tensor, observed: Tensor) -> Tensor:
        """Returns a frame's keypoints as a network reads them, (..., 6K + 1).

        Normalised position, displacement from the frame before in units (zero at the first
        observed frame, where it is unknown), and whether the frame was observed.
        """
        position = (keypoints - self.mean) / self.std
        return torch.cat(
            [
                position.flatten(-2),
                self.displacement(memory, keypoints).flatten(-2),
                observed[..., None],
            ],
            dim=-1,
        )

    def displacement(self, memory: Memory, keypoints: Tensor) -> Tensor:
        """Returns keypoints minus those of the frame before, in units (..., K, 3)."""
        return (keypoints - memory.previous) / self.unit * memory.seen[..., None]

    @staticmethod
    def remember(memory: Memory, hidden: Tensor, keypoints: Tensor, observed: Tensor) -> Tensor:
        """Packs the next state (B, S); it stays all zeros until a frame has been observed."""
        seen = torch.maximum(memory.seen, observed[:, None])
        return torch.cat([hidden * seen, keypoints.flatten(-2) * seen, seen], dim=-1)


class GatedRecurrence(nn.Module):
    """The GRU cell of Cho et al. (2014) as `nn.GRUCell` defines it, from two linear layers."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.from_input = nn.Linear(inputs, 3 * hidden)
        self.from_hidden = nn.Linear(hidden, 3 * hidden)

    def forward(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Maps (B, I) and (B, H) to the next hidden state (B, H), in [-1, 1] from zeros on."""
        reset_x, update_x, new_x = self.from_input(inputs).chunk(3, dim=-1)
        reset_h, update_h, new_h = self.from_hidden(hidden).chunk(3, dim=-1)
        reset = torch.sigmoid(reset_x + reset_h)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + reset * new_h)
        return new + update * (hidden - new)


def clamp_keypoints(keypoints: Tensor) -> Tensor:
    """Bounds x and y to [-1, 1] and intensity to [0, 1] in (..., K, 3)."""
    position, intensity = keypoints[..., :2], keypoints[..., 2:]
    return torch.cat([position.clamp(-1.0, 1.0), intensity.clamp(0.0, 1.0)], dim=-1)


def as_keypoints(coordinates: Tensor) -> Tensor:
    """Folds (..., 3K) into (..., K, 3)."""
    return coordinates.reshape(*coordinates.shape[:-1], -1, 3)


def take(observed: Tensor, given: Tensor, own: Tensor) -> Tensor:
    """Chooses per batch element: `given` where observed (B,) is 1, `own` where it is 0.

    A choice, not a blend: whatever stands in `given` at a predicted step, NaN too, is ignored.
    """
    chosen = observed.reshape(-1, *[1] * (given.dim() - 1)) > 0
    return torch.where(chosen, given, own)
