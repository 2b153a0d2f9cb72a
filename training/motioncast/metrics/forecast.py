"""Free-running forecast error: pixels at 256x256, by horizon.

    error(h) = mean over windows and keypoints of |(x, y)_forecast - (x, y)_true|,
               h frames after the last observed one

A predictor receives the observed frames only; after them it runs on its own output.

Shapes: C clips, B windows, M observed frames, N horizon, K keypoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from motioncast.data.windows import every_window
from motioncast.metrics.keypoints import average_keypoint_distance
from motioncast.models.predictors.gap_filling import Predictor, continue_free


@dataclass(frozen=True, slots=True)
class Setting:
    """Which windows are forecast."""

    observed_frames: int = 10
    horizon_frames: int = 12
    stride_frames: int = 1  # between the starts of windows

    @property
    def length(self) -> int:
        """M + N, the frames of a window."""
        return self.observed_frames + self.horizon_frames


def window_errors(predictor: Predictor, windows: Tensor, setting: Setting) -> Tensor:
    """Returns the mean distance in pixels at 256 of every window (B, N), for horizons 1 to N.

    windows: (B, M + N, K, 3); only their first M frames reach the predictor.
    """
    errors = []
    for batch in torch.split(windows, 512):
        known, future = batch[:, : setting.observed_frames], batch[:, setting.observed_frames :]
        forecast = continue_free(predictor, known, setting.horizon_frames)  # (b, N, K, 3)
        errors.append(average_keypoint_distance(forecast, future).float())
    return torch.cat(errors)


def forecast_error(predictor: Predictor, windows: Tensor, setting: Setting) -> Tensor:
    """Returns the mean distance in pixels at 256 (N,) over windows (B, M + N, K, 3)."""
    return window_errors(predictor, windows, setting).mean(dim=0)


def per_clip_errors(predictor: Predictor, clips: Sequence[Tensor], setting: Setting) -> Tensor:
    """Returns the mean distance in pixels at 256 over the windows of every clip (C, N).

    Clips (T, K, 3) shorter than a window are left out; ValueError when none is left.
    """
    windows = [
        every_window([clip], setting.length, setting.stride_frames)
        for clip in clips
        if len(clip) >= setting.length
    ]
    if not windows:
        raise ValueError(f"clips: all are shorter than {setting.length} frames")
    errors = window_errors(predictor, torch.cat(windows), setting)
    by_clip = torch.split(errors, [len(each) for each in windows])
    return torch.stack([clip.mean(dim=0) for clip in by_clip])
