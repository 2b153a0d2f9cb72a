"""Tests learning on a system with a known optimal forecast: damped oscillators, noisily observed.

    s_t = A s_{t-1} + (process noise, 0),   s_t = (x_t, x_{t-1}),
    A   = [[2 rho cos w, -rho^2], [1, 0]],  keypoint coordinate = rest + x_t + observation noise

Every coordinate of every keypoint oscillates independently, with its own period. The optimal
forecast is the Kalman filter's (without observation noise, A^h times the last two frames).

    motioncast paper linear-system --out FOLDER [SYSTEM]
    motioncast train predictor --data FOLDER/train.npz --out FOLDER/vrnn_0
    motioncast paper linear-system --judge FOLDER/vrnn_0/predictor.pt [SYSTEM]

The first command writes tracks to train on; the last prints the free-running error of predictors
relative to the optimum, by horizon, on separate clips. SYSTEM stands for the same options in both.

Shapes: B clips, T time, K keypoints (x, y, intensity), D = 3K coordinates.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from motioncast.data.command_line import Program, Refusal, refusing
from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.evaluate.forecast import as_table
from motioncast.metrics.forecast import Setting, per_clip_errors
from motioncast.metrics.keypoints import REFERENCE_SIZE, pixels_per_unit
from motioncast.models.predictors.checkpoint import PredictorCheckpointError, load_forecaster
from motioncast.models.predictors.gap_filling import Predictor, check_timeline, fill
from motioncast.models.predictors.registry import RULES

PIXELS_PER_UNIT = pixels_per_unit(REFERENCE_SIZE)
BURN_IN_FRAMES = 200  # until the oscillators have forgotten their initial state


@dataclass(frozen=True)
class LinearSystem:
    """Oscillators around fixed rest positions; noises are standard deviations in pixels at 256."""

    keypoints: int = 10
    damping: float = 0.97  # rho, per frame
    shortest_period_frames: float = 12.0
    longest_period_frames: float = 30.0
    amplitude_pixels: float = 8.0  # standard deviation around the rest position
    observation_noise_pixels: float = 0.0
    fading: bool = False  # released once and left to decay; otherwise driven by process noise
    seed: int = 0  # of periods and rest positions

    def recurrence(self) -> tuple[Tensor, Tensor]:
        """Returns (a, b) of x_t = a x_{t-1} + b x_{t-2} + noise, (K, 3) each, float64."""
        generator = torch.Generator().manual_seed(self.seed)
        share = torch.rand(self.keypoints, 3, generator=generator, dtype=torch.float64)
        ratio = self.longest_period_frames / self.shortest_period_frames
        turn = 2 * math.pi / (self.shortest_period_frames * ratio**share)
        return 2 * self.damping * turn.cos(), torch.full_like(turn, -(self.damping**2))

    def rests(self) -> Tensor:
        """Returns the rest positions of the keypoints, (K, 3), float64."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        share = torch.rand(self.keypoints, 3, generator=generator, dtype=torch.float64)
        return torch.cat([share[:, :2] - 0.5, torch.full_like(share[:, 2:], 0.5)], dim=-1)

    def process_variance(self) -> Tensor:
        """Returns the variance of the noise that keeps the amplitude, (K, 3), in squared units."""
        a, b = self.recurrence()
        variance = (self.amplitude_pixels / PIXELS_PER_UNIT) ** 2
        # The variance of a stationary AR(2) process relative to its noise's.
        gain = (1 - b) / ((1 + b) * ((1 - b) ** 2 - a**2))
        return variance / gain

    def simulate(self, clips: int, frames: int, seed: int) -> Tensor:
        """Draws clips (B, T, K, 3), float32."""
        generator = torch.Generator().manual_seed(seed)

        def normal() -> Tensor:
            return torch.randn(clips, self.keypoints, 3, generator=generator, dtype=torch.float64)

        a, b = self.recurrence()
        scale = self.process_variance().sqrt()
        before = recent = torch.zeros(clips, self.keypoints, 3, dtype=torch.float64)
        seen = []
        for t in range(BURN_IN_FRAMES + frames):
            driven = not self.fading or t < BURN_IN_FRAMES
            before, recent = recent, a * recent + b * before + scale * normal() * driven
            seen.append(recent + self.observation_noise_pixels / PIXELS_PER_UNIT * normal())
        return (self.rests() + torch.stack(seen[BURN_IN_FRAMES:], dim=1)).float()

    def optimal(self) -> Predictor:
        """Returns the optimal predictor: the conditional mean of every unobserved frame."""
        return self._filter

    def _filter(self, keypoints: Tensor, observed: Tensor) -> Tensor:
        """Runs the Kalman filter; its covariance is the same for every clip."""
        check_timeline(keypoints, observed)
        a, b = self.recurrence()
        process = self.process_variance() * (not self.fading)
        noise = (self.observation_noise_pixels / PIXELS_PER_UNIT) ** 2
        variance = torch.full_like(a, (self.amplitude_pixels / PIXELS_PER_UNIT) ** 2)
        # Covariance of (x_t, x_{t-1}) before anything is seen: that of the stationary process.
        now, cross, past = variance, variance * a / (1 - b), variance
        x = before = torch.zeros_like(keypoints[:, 0], dtype=torch.float64)
        means = []
        for t in range(len(observed)):
            if t > 0:
                x, before = a * x + b * before, x
                now, cross, past = (
                    a * a * now + 2 * a * b * cross + b * b * past + process,
                    a * now + b * cross,
                    now,
                )
            if observed[t]:
                gain = 1 / (now + noise).clamp(min=1e-18)
                miss = keypoints[:, t] - self.rests() - x
                x, before = x + now * gain * miss, before + cross * gain * miss
                now, cross, past = (
                    now - now * gain * now,
                    cross - now * gain * cross,
                    past - cross * gain * cross,
                )
            means.append(self.rests() + x)
        return fill(keypoints, observed, torch.stack(means, dim=1).to(keypoints.dtype))


def over_optimum(
    predictor: Predictor, system: LinearSystem, clips: Sequence[Tensor], setting: Setting
) -> Tensor:
    """Returns a predictor's error relative to the optimal one's, (N,), for horizons 1 to N."""
    best = per_clip_errors(system.optimal(), clips, setting).mean(dim=0)
    return per_clip_errors(predictor, clips, setting).mean(dim=0) / best


def as_tracks(clips: Tensor) -> Tracks:
    """Names clips (B, T, K, 3) and holds out every tenth for validation."""
    count, frames = clips.shape[:2]
    return Tracks(
        names=tuple(f"oscillation_{index:05}" for index in range(count)),
        starts=tuple(range(0, (count + 1) * frames, frames)),
        keypoints=clips.flatten(0, 1),
        validation=tuple(index % 10 == 9 for index in range(count)),
    )


@dataclass(frozen=True, kw_only=True)
class LinearSystemOptions(LinearSystem):
    """A system, and its use: tracks are written, or predictors judged."""

    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="folder to write train.npz to")
    ] = None
    judge: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="predictor checkpoint to compare; may be repeated"),
    ] = None
    clips: Annotated[
        int, typer.Option(help="number of clips to train on, or to compare predictors on")
    ] = 400
    frames: Annotated[int, typer.Option(help="number of frames of each clip")] = 60


def run(options: LinearSystemOptions, command: str) -> None:
    """Writes tracks of a system, or compares predictors with its optimum."""
    if (options.out is None) == (not options.judge):
        raise Refusal("--out and --judge: expected one of them")
    if options.out is not None:
        path = options.out / "train.npz"
        save_tracks(as_tracks(options.simulate(options.clips, options.frames, seed=1)), path)
        print(f"{path}: {options.clips} clips of {options.frames} frames")
        return
    with refusing(OSError, PredictorCheckpointError):
        judged = {str(path): load_forecaster(path) for path in options.judge or ()}
    print(_comparison({**RULES, **judged}, options))


def _comparison(predictors: Mapping[str, Predictor], options: LinearSystemOptions) -> str:
    """Returns a table of the predictors' errors relative to the optimum."""
    clips = list(options.simulate(options.clips, options.frames, seed=2))
    setting = Setting(stride_frames=4)
    ratios = {
        name: over_optimum(predictor, options, clips, setting).tolist()
        for name, predictor in predictors.items()
    }
    optimum = per_clip_errors(options.optimal(), clips, setting).mean(dim=0)
    title = f"Error relative to the optimum, free running after {setting.observed_frames} frames:"
    return f"{title}\n\n{as_table({'optimum, pixels at 256': optimum.tolist(), **ratios})}"


main = Program("motioncast paper linear-system", LinearSystemOptions, run, __doc__)


if __name__ == "__main__":
    main()
