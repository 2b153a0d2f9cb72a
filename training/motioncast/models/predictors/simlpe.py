"""Forecasts a block of frames from the last ones by linear layers: siMLPe (Guo et al., WACV 2023).

    path r_j = x_j - x_t, of the last n frames, in units       X = DCT over j of [r, observed]
    Y        = W_in X;   Y = Y + LN(W_i Y + b_i), W_i over frequencies, for every block i
    steps    = W_out W_time Y, of the next N frames

As in the paper (arXiv 2207.01567) every layer mixes either frequencies or coordinates, never both,
and the only non-linearity is the layer norm. Two things differ: W_time maps n frequencies to N
frames in place of an inverse DCT, because N may exceed n, and the outputs are displacements
from frame to frame, to which the learnt slope of `recurrent.py` adds the continuing motion.

The window and the forecast block are the network's hidden state. Every observed frame produces
a new block; in a gap the block is read frame by frame, and when it ends a new one is produced from
the forecast frames. With `components`, all of this is in the code of the motion basis.

The interval adapts to the person: someone who has moved a lot recently is harder to forecast.

    spread = sqrt(0.3^2 + basis^2 (u e))           u usual square of the code of x_t - x_{t-4}
    e_t    = e_{t-1} + 0.15 (min(100, code(x_t - x_{t-4})^2 / u) - e_{t-1}),   e = 1 at first

Shapes: B batch, n window, N block, C code (components or 3K), F features, K keypoints, S state.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from motioncast.models.predictors.coordinates import as_keypoints, take
from motioncast.models.predictors.recurrent import (
    Advance,
    Memory,
    MotionStatistics,
    PredictorSizes,
    RecurrentPredictor,
)

REACH_FRAMES = 4  # span of the motion measured for the interval
RESTLESSNESS_RATE = 0.15  # a memory of about seven frames
LEAST_SPREAD = 0.3  # units; for somebody who sits still
LARGEST_MOTION = 100.0  # relative to the usual one, squared: a detector may jump


class Plan(NamedTuple):
    """The hidden state split into its parts."""

    window: Tensor  # (..., n, C), displacements of the last frames, the newest last
    observed: Tensor  # (..., n), 1 where the frame was observed
    ahead: Tensor  # (..., N, C), displacements of the frames to come
    restless: Tensor  # (..., C), recent motion relative to the usual one, squared, minus 1


class Block(nn.Module):
    """Mixes the frequencies of (B, n, F) with a residual: y + LN(W y + b)."""

    def __init__(self, window: int, features: int) -> None:
        super().__init__()
        self.over_frequencies = nn.Linear(window, window)
        self.norm = nn.LayerNorm(features)
        nn.init.xavier_uniform_(
            self.over_frequencies.weight, gain=1e-2
        )  # close to zero before training

    def forward(self, y: Tensor) -> Tensor:
        """Maps (B, n, F) to (B, n, F)."""
        mixed: Tensor = self.norm(self.over_frequencies(y.mT).mT)
        return y + mixed


class SiMLPe(RecurrentPredictor):
    """Forecasts a block of frames from a window of the last ones; ignores the noise."""

    frequencies: Tensor

    def __init__(self, sizes: PredictorSizes, statistics: MotionStatistics | None = None) -> None:
        super().__init__(sizes, statistics)
        if sizes.window < REACH_FRAMES:
            raise ValueError(f"window: {sizes.window} frames (expected at least {REACH_FRAMES})")
        # The path back from the newest frame is a sum of displacements: one matrix with the DCT.
        back = -torch.ones(sizes.window, sizes.window).triu()
        self.register_buffer("frequencies", dct(sizes.window) @ back, persistent=False)
        self.enter = nn.Linear(self.code_size + 1, sizes.features)
        self.blocks = nn.Sequential(
            *(Block(sizes.window, sizes.features) for _ in range(sizes.layers))
        )
        self.over_time = nn.Linear(sizes.window, sizes.block)
        self.leave = nn.Linear(sizes.features, self.code_size)
        nn.init.zeros_(self.leave.weight)  # no motion at first
        nn.init.zeros_(self.leave.bias)

    @property
    def hidden_size(self) -> int:
        """H, the length of window, mask, block and restlessness together."""
        sizes = self.sizes
        return (sizes.window + sizes.block + 1) * self.code_size + sizes.window

    def advance(
        self, memory: Memory, keypoints: Tensor, observed: Tensor, noise: Tensor
    ) -> Advance:
        """Forecasts and processes one frame (see RecurrentPredictor)."""
        plan = self.plan(memory.hidden)
        forecast = self.place(memory, self.expand(plan.ahead[:, 0]))
        current = take(observed, keypoints, forecast)  # (B, K, 3)
        return Advance(forecast, current, self.absorb(memory, current, observed))

    def absorb(self, memory: Memory, current: Tensor, observed: Tensor) -> Tensor:
        """Returns the hidden state (B, H) after a frame's keypoints (B, K, 3)."""
        plan = self.plan(memory.hidden)
        displacement = self.encode(self.displacement(memory, current))  # (B, C)
        window = torch.cat([plan.window[:, 1:], displacement[:, None]], dim=1)
        mask = torch.cat([plan.observed[:, 1:], observed[:, None]], dim=1)
        later = torch.cat([plan.ahead[:, 1:], torch.zeros_like(plan.ahead[:, :1])], dim=1)
        into_the_gap = (memory.elapsed[:, 0] + 1) / self.sizes.block
        renewed = (observed > 0) | (into_the_gap == into_the_gap.floor())
        ahead = torch.where(renewed[:, None, None], self.look_ahead(window, mask), later)
        moved = window[:, -REACH_FRAMES:].sum(dim=1).square() / self.usual_motion
        beyond = moved.clamp(max=LARGEST_MOTION) - 1
        restless = plan.restless + RESTLESSNESS_RATE * (beyond - plan.restless)
        return torch.cat([window.flatten(1), mask, ahead.flatten(1), restless], dim=1)

    def silence(self) -> None:
        """Makes the network forecast no displacement: it repeats the frame before."""
        with torch.no_grad():
            for parameter in (self.leave.weight, self.leave.bias):
                parameter.zero_()
            if not self.reads_positions:
                self.slope.zero_()

    def look_ahead(self, window: Tensor, observed: Tensor) -> Tensor:
        """Returns the displacements (B, N, C) that follow those of a window (B, n, C), (B, n)."""
        known = torch.cat([window, observed[..., None]], dim=-1)
        y: Tensor = self.enter(self.frequencies @ known)  # (B, n, F)
        y = self.over_time(self.blocks(y).mT).mT  # (B, N, F)
        steps: Tensor = self.leave(y)
        return steps

    def follow(self, keypoints: Tensor, observed: Tensor) -> Tensor:
        """Returns the blocks (B, N, K, 3) after the newest of frames (B, n + 1, K, 3), unbounded.

        observed: (B, n), of all frames but the oldest. Gives in one pass the result of n + 1 steps
        followed by N steps without an observed frame.
        """
        velocity = keypoints.diff(dim=1) / self.unit  # (B, n, K, 3)
        steps = as_keypoints(self.expand(self.look_ahead(self.encode(velocity), observed)))
        last, path = velocity[:, -1], []
        for step in steps.unbind(dim=1):
            last = step + (0.0 if self.reads_positions else self.slope * last)
            path.append(last)
        return keypoints[:, -1:] + self.unit * torch.stack(path, dim=1).cumsum(dim=1)

    def spread(self, memory: Memory) -> Tensor:
        """Returns the expected error of the next forecast in units (..., K, 3), up to a factor."""
        motion = (self.plan(memory.hidden).restless.detach() + 1).clamp(min=0.0) * self.usual_motion
        if self.sizes.components:
            motion = motion @ self.basis.square().mT  # (..., 3K)
        return as_keypoints((motion + LEAST_SPREAD**2).sqrt())

    @property
    def usual_motion(self) -> Tensor:
        """Mean square of the code of the motion over four frames in the training set, (C,)."""
        return self.energy if self.sizes.components else self.unit.new_ones(())

    def plan(self, hidden: Tensor) -> Plan:
        """Splits the hidden state (..., H) into its parts."""
        window, block, code = self.sizes.window, self.sizes.block, self.code_size
        parts = torch.split(hidden, [window * code, window, block * code, code], dim=-1)
        return Plan(
            parts[0].reshape(*parts[0].shape[:-1], window, code),
            parts[1],
            parts[2].reshape(*parts[2].shape[:-1], block, code),
            parts[3],
        )


def dct(length: int) -> Tensor:
    """Returns the orthonormal discrete cosine transform of type II as a matrix (n, n)."""
    frequency, frame = torch.arange(length)[:, None], torch.arange(length)
    matrix = torch.cos(math.pi * frequency * (2 * frame + 1) / (2 * length))
    matrix[0] /= math.sqrt(2)
    return matrix * math.sqrt(2 / length)
