"""Windows of equal length, cut identically from frames and from keypoint tracks."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motioncast.data.clip_cache import ClipCache
from motioncast.data.cut import (
    Cut,
    Window,
    cut_clips,
    too_short,
    window_frames,
    window_tracks,
)
from motioncast.data.keypoints import Tracks

LENGTHS = (7, 2, 3)
STARTS = (0, 7, 9, 12)
NAMES = ("a", "b", "c")


def numbered() -> tuple[ClipCache, Tracks]:
    """Returns three clips whose pixels and coordinates are the frame's number."""
    numbers = np.arange(12, dtype=np.uint8)
    frames = np.broadcast_to(numbers[:, None, None, None], (12, 4, 4, 3))
    keypoints = torch.arange(12.0)[:, None, None].expand(12, 2, 3)
    return ClipCache(NAMES, STARTS, frames), Tracks(NAMES, STARTS, keypoints, (False,) * 3)


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ("consecutive", [(0, (0, 1, 2)), (0, (3, 4, 5)), (2, (0, 1, 2))]),
        ("first", [(0, (0, 1, 2)), (2, (0, 1, 2))]),
        ("spread", [(0, (0, 3, 6)), (2, (0, 1, 2))]),
    ],
)
def test_short_clips_are_left_out_and_counted(cut: Cut, expected: list[Window]) -> None:
    cache, tracks = numbered()

    assert cut_clips(cache, 3, cut) == cut_clips(tracks, 3, cut) == expected
    assert too_short(cache, 3) == too_short(tracks, 3) == 1


@pytest.mark.parametrize("cut", get_args(Cut))
def test_frames_and_tracks_are_cut_alike(cut: Cut) -> None:
    cache, tracks = numbered()
    windows = cut_clips(cache, 3, cut)

    keypoints = window_tracks(tracks, windows)  # (B, 3, 2, 3)

    assert keypoints.shape == (len(windows), 3, 2, 3)
    for window, expected in zip(windows, keypoints, strict=True):
        frames = window_frames(cache, window)
        assert frames.shape == (3, 4, 4, 3)
        assert frames[:, 0, 0, 0].tolist() == expected[:, 0, 0].tolist()


@given(length=st.integers(1, 400), frames=st.integers(1, 400), cut=st.sampled_from(get_args(Cut)))
def test_windows_are_ascending_and_never_overlap(length: int, frames: int, cut: Cut) -> None:
    clips = ClipCache(("a",), (0, length), np.zeros((length, 1, 1, 3), np.uint8))
    if frames > length:
        with pytest.raises(ValueError, match=f"all are shorter than {frames} frames"):
            cut_clips(clips, frames, cut)
        return

    windows = cut_clips(clips, frames, cut)

    used = [index for window in windows for index in window.frames]
    assert all(len(window.frames) == frames for window in windows)
    assert used == sorted(set(used))
    assert 0 <= used[0] <= used[-1] < length
    assert len(windows) == (length // frames if cut == "consecutive" else 1)


@given(length=st.integers(2, 400), frames=st.integers(2, 400))
def test_spread_frames_reach_both_ends_in_even_steps(length: int, frames: int) -> None:
    frames = min(frames, length)
    clips = ClipCache(("a",), (0, length), np.zeros((length, 1, 1, 3), np.uint8))

    (window,) = cut_clips(clips, frames, "spread")

    gaps = set(np.diff(window.frames).tolist())
    assert (window.frames[0], window.frames[-1]) == (0, length - 1)
    assert max(gaps) - min(gaps) <= 1
    assert min(gaps) >= 1


def test_windows_of_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="windows of 0 frames"):
        cut_clips(numbered()[0], 0)
