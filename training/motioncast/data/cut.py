"""Cuts clips into windows of equal length, for frames and keypoint tracks alike.

consecutive   0..F-1, F..2F-1, ...: as many as fit, without overlap
first         0..F-1
spread        F frames spread evenly over the clip, including its first and last
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from motioncast.data.clip_cache import ClipCache
from motioncast.data.keypoints import Tracks
from motioncast.data.video_folder import Clip

Cut = Literal["consecutive", "first", "spread"]


class Clips(Protocol):
    """Concatenated clips, as frames (`ClipCache`) or as keypoints (`Tracks`)."""

    @property
    def starts(self) -> tuple[int, ...]: ...  # number of clips + 1


class Window(NamedTuple):
    """Some frames of one clip."""

    clip: int
    frames: tuple[int, ...]  # ascending, from 0 within the clip


def cut_clips(clips: Clips, frames: int, cut: Cut = "consecutive") -> list[Window]:
    """Returns the windows of `frames` frames, in the order of the clips.

    Shorter clips are left out; `too_short` counts them. Frames and tracks of the
    same clips are cut alike. Raises ValueError when no clip is long enough.
    """
    if frames < 1:
        raise ValueError(
            f"clips: cannot be cut into windows of {frames} frames (expected at least 1)"
        )
    windows = [
        Window(clip, chosen)
        for clip, length in enumerate(_lengths(clips))
        for chosen in _chosen(length, frames, cut)
    ]
    if not windows:
        raise ValueError(f"clips: all are shorter than {frames} frames")
    return windows


def too_short(clips: Clips, frames: int) -> int:
    """Counts the clips that `cut_clips` leaves out."""
    return sum(length < frames for length in _lengths(clips))


def window_frames(cache: ClipCache, window: Window) -> Clip:
    """Returns the frames (T, S, S, 3) of a window."""
    return np.asarray(cache.clip(window.clip)[list(window.frames)])


def window_tracks(tracks: Tracks, windows: Sequence[Window]) -> Tensor:
    """Returns the keypoints (B, T, K, 3) of windows of equal length."""
    return torch.stack([tracks.clip(window.clip)[list(window.frames)] for window in windows])


def _lengths(clips: Clips) -> list[int]:
    return [end - start for start, end in zip(clips.starts, clips.starts[1:], strict=False)]


def _chosen(length: int, frames: int, cut: Cut) -> list[tuple[int, ...]]:
    if length < frames:
        return []
    if cut == "spread":
        gaps = max(frames - 1, 1)
        return [tuple(index * (length - 1) // gaps for index in range(frames))]
    ends = range(frames, length + 1, frames) if cut == "consecutive" else (frames,)
    return [tuple(range(end - frames, end)) for end in ends]
