"""The base of all recurrent predictors: sizes, an explicit state and the unroll over a timeline.

A predictor forecasts the displacement d_t of the keypoints from the frame before, in units of its
standard deviation, so that "no motion" is the easiest answer:

    forecast_t = clamp(x_{t-1} + unit * d_t)
    x_t        = the given keypoints where observed, forecast_t where predicted (free running)

With `inputs = "positions"` a network reads where in the image the keypoints lie, and so memorises
one speaker's face. With "displacements" it reads motion alone, independent of the person, and
forecasts what remains after a learnt slope, one per coordinate, of the last displacement:

    forecast_t = clamp(x_{t-1} + unit * (slope * v_{t-1} + d_t)),   v_t = (x_t - x_{t-1}) / unit

With `components` = C > 0 a network reads and forecasts displacements as C numbers, their code in
the motion basis that is stored with it: the leading principal directions, orthonormal in units, in
which the keypoints of a training set move together. Facial landmarks lie on a manifold, and motion
outside it is mostly the detector's noise.

    code = basis^T v,   displacement = basis code            basis (3K, C)

The state is one vector per batch element, [hidden | keypoints of the frame before | their v |
surprise | deviation of the path | frames since the last observed one | seen]; all zeros means that
nothing has been seen yet. Intervals and sample paths are defined in interval.py.

Shapes: B batch, T time, K keypoints (x, y, intensity), Z latent, H hidden, C code,
S = H + 12K + 2 state.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from motioncast.models.predictors.coordinates import as_keypoints, clamp_keypoints
from motioncast.models.predictors.interval import (
    NORMAL_QUANTILE,
    be_surprised,
    deviate,
    factor_at,
    uncalibrated,
)

FIRST_SLOPE = 0.3  # before training


@dataclass(frozen=True, slots=True)
class PredictorSizes:
    """The sizes of a recurrent predictor."""

    keypoints: int = 16
    hidden: int = 256
    latent: int = 16
    features: int = 128  # width of the feedforward networks
    inputs: Literal["positions", "displacements"] = "positions"
    components: int = 0  # C, of the motion basis; 0: each coordinate separately
    window: int = 10  # siMLPe: number of frames read,
    block: int = 12  # number of frames forecast at once,
    layers: int = 6  # number of blocks
    window_features: int = 32  # width of the siMLPe beside a VRNN (windowed.py)


LITE128 = PredictorSizes()
PAPER64 = PredictorSizes(keypoints=10, hidden=512)  # Minderer et al. 2019
PREDICTOR_SIZES = {"lite128": LITE128, "paper64": PAPER64}


@dataclass(frozen=True, slots=True)
class MotionStatistics:
    """Where the keypoints of a training set lie, and how far they move from frame to frame."""

    mean: Tensor  # (K, 3)
    std: Tensor  # (K, 3), positive
    unit: Tensor  # (K, 3), positive: standard deviation of the displacement
    basis: Tensor | None = None  # (3K, C), orthonormal columns: directions of motion, in units
    energy: Tensor | None = None  # (C), mean square of the motion over four frames along them

    @classmethod
    def neutral(cls, keypoints: int, components: int = 0) -> "MotionStatistics":
        """Centres every keypoint at the origin with unit scales, for use before data is known."""
        ones = torch.ones(keypoints, 3)
        return cls(
            mean=torch.zeros(keypoints, 3),
            std=ones,
            unit=ones,
            basis=torch.eye(3 * keypoints)[:, :components] if components else None,
            energy=torch.ones(components) if components else None,
        )


class Memory(NamedTuple):
    """The state vector split into its parts."""

    hidden: Tensor  # (..., H)
    previous: Tensor  # (..., K, 3), keypoints of the frame before
    velocity: Tensor  # (..., K, 3), their displacement to that frame, in units
    surprise: Tensor  # (..., K, 3), recent errors over expected ones; 1 before there are any
    deviation: Tensor  # (..., K, 3), of the drawn path, in standard deviations
    elapsed: Tensor  # (..., 1), frames predicted since the last observed one
    seen: Tensor  # (..., 1), 1 once a frame has been observed


class Advance(NamedTuple):
    """A network's result for one frame."""

    forecast: Tensor  # (B, K, 3), of the frame from everything before it, on the mean path
    current: Tensor  # (B, K, 3), the frame's keypoints where observed, the forecast elsewhere
    hidden: Tensor  # (B, H)


class Unrolled(NamedTuple):
    """The results of running the predictor over a stretch of the timeline."""

    forecast: Tensor  # (B, T, K, 3)
    next_state: Tensor  # (B, S)
    states: Tensor  # (B, T, S), the state before every step


class RecurrentPredictor(nn.Module, ABC):
    """A predictor that runs over a timeline one step at a time with an explicit state."""

    mean: Tensor
    std: Tensor
    unit: Tensor
    factors: Tensor
    basis: Tensor
    energy: Tensor

    def __init__(self, sizes: PredictorSizes, statistics: MotionStatistics | None = None) -> None:
        super().__init__()
        self.sizes = sizes
        statistics = statistics or MotionStatistics.neutral(sizes.keypoints, sizes.components)
        self.register_buffer("mean", statistics.mean.clone())
        self.register_buffer("std", statistics.std.clone())
        self.register_buffer("unit", statistics.unit.clone())
        self.register_buffer("factors", uncalibrated())
        if sizes.components:
            if statistics.basis is None or statistics.energy is None:
                raise ValueError(f"components: {sizes.components}, but no motion basis is given")
            self.register_buffer("basis", statistics.basis.clone())
            self.register_buffer("energy", statistics.energy.clone())
        self.reads_positions = sizes.inputs == "positions"
        if not self.reads_positions:
            self.slope = nn.Parameter(torch.full((sizes.keypoints, 3), FIRST_SLOPE))

    @property
    def hidden_size(self) -> int:
        """H, the length of the network's hidden state."""
        return self.sizes.hidden

    @property
    def state_size(self) -> int:
        """S, the length of the state vector."""
        return self.hidden_size + 12 * self.sizes.keypoints + 2

    @property
    def noise_size(self) -> int:
        """Z + 3K: the noise of the latent followed by that of the path."""
        return self.sizes.latent + 3 * self.sizes.keypoints

    @abstractmethod
    def advance(
        self, memory: Memory, keypoints: Tensor, observed: Tensor, noise: Tensor
    ) -> Advance:
        """Forecasts and processes one frame; arguments as in `step`, but noise (B, Z) only."""

    def spread(self, memory: Memory) -> Tensor:
        """Returns the expected error of the next forecast up to a factor, (..., K, 3), positive."""
        return torch.ones_like(memory.previous)

    def step(
        self, keypoints: Tensor, observed: Tensor, noise: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Advances the timeline by one frame.

        Args:
            keypoints: (B, K, 3), the frame's keypoints; ignored where it is not observed.
            observed: (B,), 1 where the frame is observed, 0 where it is to be predicted.
            noise: Standard normal, or zeros for the mean path. (B, Z) draws the latent of every
                frame; (B, Z + 3K) the latent of observed frames, as in training, and then the
                path's deviation within the stated interval.
            state: (B, S), zeros at the start of a session.

        Returns:
            The forecast of this frame from everything before it (B, K, 3), with x and y in [-1, 1]
            and intensity in [0, 1], and the next state (B, S).
        """
        memory, latent = self.recall(state), self.sizes.latent
        if noise.shape[1] == latent:
            advance = self.advance(memory, keypoints, observed, noise)
            return advance.forecast, self._remember(memory, advance, memory.deviation, observed)
        advance = self.advance(memory, keypoints, observed, noise[:, :latent] * observed[:, None])
        deviation = deviate(memory.deviation, as_keypoints(noise[:, latent:]), memory.seen)
        off = deviation * self.half_width90(state) / NORMAL_QUANTILE
        path = clamp_keypoints(advance.forecast + off)
        return path, self._remember(memory, advance, deviation, observed)

    @property
    def states_interval(self) -> bool:
        """Whether the network has been calibrated."""
        return bool(self.factors.any())

    def half_width90(self, state: Tensor) -> Tensor:
        """Returns half the width of the 90 % interval around the next forecast, (..., K, 3).

        Uses the units of keypoints, 0 to 1, and the preceding states (..., S); zeros before any
        frame was seen, and for a network that was never calibrated.
        """
        memory = self.recall(state)
        factor = factor_at(self.factors, memory.elapsed) * memory.seen[..., None]
        return (self.unit * self.spread(memory) * memory.surprise * factor).clamp(max=1.0)

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
        """Splits states (..., S) into their parts."""
        hidden, coordinates = self.hidden_size, 3 * self.sizes.keypoints
        parts = torch.split(state, [hidden, *[coordinates] * 4, 1, 1], dim=-1)
        previous, velocity, surprise, deviation = map(as_keypoints, parts[1:5])
        seen = parts[6]
        surprise = torch.where(seen[..., None] > 0, surprise, 1.0)  # zeros mean nothing seen yet
        return Memory(parts[0], previous, velocity, surprise, deviation, parts[5], seen)

    def place(self, memory: Memory, displacement: Tensor) -> Tensor:
        """Returns the keypoints (..., K, 3) that a displacement (..., 3K) leads to.

        Before anything has been seen, this is the mean position in the training set.
        """
        moved = memory.previous + self.unit * (as_keypoints(displacement) + self.drift(memory))
        return clamp_keypoints(torch.where(memory.seen[..., None] > 0, moved, self.mean))

    def drift(self, memory: Memory) -> Tensor:
        """Returns the part of the next displacement that continues the last, (..., K, 3)."""
        if self.reads_positions:
            return torch.zeros_like(memory.velocity)
        return self.slope * memory.velocity

    @property
    def description_size(self) -> int:
        """D, the length of a network's input for one frame."""
        return (3 * self.sizes.keypoints if self.reads_positions else 0) + self.code_size + 1

    def describe(self, memory: Memory, keypoints: Tensor, observed: Tensor) -> Tensor:
        """Returns a frame's keypoints as a network reads them, (..., D).

        The normalised position, unless it reads displacements alone; the displacement from the
        frame before in units (zero at the first observed frame, where it is unknown); and whether
        the frame was observed.
        """
        parts = [self.encode(self.displacement(memory, keypoints)), observed[..., None]]
        if self.reads_positions:
            parts = [((keypoints - self.mean) / self.std).flatten(-2), *parts]
        return torch.cat(parts, dim=-1)

    def displacement(self, memory: Memory, keypoints: Tensor) -> Tensor:
        """Returns keypoints minus those of the frame before, in units (..., K, 3)."""
        return (keypoints - memory.previous) / self.unit * memory.seen[..., None]

    @property
    def code_size(self) -> int:
        """C, how many numbers represent a displacement of all keypoints."""
        return self.sizes.components or 3 * self.sizes.keypoints

    def encode(self, displacement: Tensor) -> Tensor:
        """Returns the code (..., C) of a displacement (..., K, 3) in units."""
        coordinates = displacement.flatten(-2)
        return coordinates @ self.basis if self.sizes.components else coordinates

    def expand(self, code: Tensor) -> Tensor:
        """Returns the displacement (..., 3K) in units for a code (..., C)."""
        return code @ self.basis.mT if self.sizes.components else code

    def _remember(
        self, memory: Memory, advance: Advance, deviation: Tensor, observed: Tensor
    ) -> Tensor:
        """Packs the next state (B, S); it stays all zeros until a frame has been observed."""
        velocity = self.displacement(memory, advance.current)
        error = (advance.current - advance.forecast).abs() / (self.unit * self.spread(memory))
        counts = observed[:, None] * memory.seen
        surprise = be_surprised(memory.surprise, error, counts)
        elapsed = (memory.elapsed + 1) * (1 - observed[:, None])
        seen = torch.maximum(memory.seen, observed[:, None])
        points = [each.flatten(-2) for each in (advance.current, velocity, surprise, deviation)]
        return torch.cat([advance.hidden, *points, elapsed, torch.ones_like(seen)], dim=-1) * seen
