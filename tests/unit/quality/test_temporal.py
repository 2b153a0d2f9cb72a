"""Motion errors agree with their definition and cannot be cheated."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from motioncast.quality.temporal import temporal_error, temporal_psnr

RNG = np.random.default_rng(0)
Frames = NDArray[np.float64]


def moving() -> Frames:
    """Returns a bright disc moving on a circle, 40 frames (T, 1, 32, 32)."""
    y, x = np.mgrid[:32, :32]
    angles = np.linspace(0, 4 * np.pi, 40)[:, None, None]
    square = (x - 16 - 8 * np.cos(angles)) ** 2 + (y - 16 - 8 * np.sin(angles)) ** 2
    return np.asarray(np.exp(-square / 20)[:, None])


CLIP = moving()
ORDER = np.arange(len(CLIP))
BROKEN = {
    "frozen from the middle": CLIP[np.minimum(ORDER, 20)],
    "one frame repeated": CLIP[np.where(ORDER == 20, 19, ORDER)],
    "every other frame dropped": CLIP[ORDER // 2 * 2],
    "delayed by a frame": CLIP[np.maximum(ORDER - 1, 0)],
    "delayed by three frames": CLIP[np.maximum(ORDER - 3, 0)],
}


def test_the_same_motion_has_no_error() -> None:
    assert temporal_error(CLIP, CLIP) == 0
    assert temporal_psnr(CLIP, CLIP) == 100


@pytest.mark.parametrize("shown", [0, 17])
def test_a_still_picture_has_an_error_of_one_whatever_it_shows(shown: int) -> None:
    still = np.broadcast_to(CLIP[shown], CLIP.shape)
    assert temporal_error(still, CLIP) == pytest.approx(1)


def test_a_frame_shown_twice_costs_twice_its_change() -> None:
    energy = np.square(np.diff(CLIP, axis=0)).sum(axis=(1, 2, 3))
    repeated = BROKEN["one frame repeated"]
    assert temporal_error(repeated, CLIP) == pytest.approx(2 * energy[19] / energy.sum())


def test_motion_of_half_the_size_has_a_quarter_of_the_error() -> None:
    assert temporal_error(CLIP / 2, CLIP) == pytest.approx(0.25)


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_motion_is_worse_than_static_noise_of_the_same_psnr(fault: str) -> None:
    broken = BROKEN[fault]
    noise = RNG.normal(size=CLIP.shape[1:])
    noise *= np.sqrt(np.square(broken - CLIP).mean() / np.square(noise).mean())
    noisy = CLIP + noise
    assert np.square(noisy - CLIP).mean() == pytest.approx(np.square(broken - CLIP).mean())
    assert temporal_error(broken, CLIP) > 1e-3 > temporal_error(noisy, CLIP)
    assert temporal_psnr(broken, CLIP) < temporal_psnr(noisy, CLIP)


def test_faults_add_to_errors_that_were_there() -> None:
    noisy = CLIP + RNG.normal(scale=0.01, size=CLIP.shape)
    for order in (np.minimum(ORDER, 20), ORDER // 2 * 2, np.maximum(ORDER - 1, 0)):
        assert temporal_error(noisy[order], CLIP) > temporal_error(noisy, CLIP)


def test_psnr_of_changes_is_that_of_their_error() -> None:
    ramp = np.arange(5.0)[:, None] / 10
    assert temporal_psnr(np.zeros_like(ramp), ramp) == pytest.approx(20)  # 0.1 per frame is missing


def test_bytes_do_not_wrap_around() -> None:
    frames = np.array([[200], [10]], np.uint8)
    assert temporal_error(frames, frames[::-1]) == pytest.approx(4)  # the opposite motion


def test_against_a_still_original_nothing_is_said() -> None:
    assert np.isnan(temporal_error(CLIP, np.zeros_like(CLIP)))


@pytest.mark.parametrize("length", [0, 1])
def test_one_frame_does_not_move(length: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        temporal_error(CLIP[:length], CLIP[:length])


def test_frames_of_a_file_are_measured_like_an_array() -> None:
    class Read:
        def __len__(self) -> int:
            return len(CLIP)

        def __getitem__(self, index: int) -> Frames:
            if not 0 <= index < len(CLIP):
                raise IndexError(index)
            return np.asarray(CLIP[index] / 2)

    assert temporal_error(Read(), CLIP) == pytest.approx(0.25)


@pytest.mark.parametrize("other", [CLIP[1:], CLIP[..., 1:]])
def test_clips_of_other_lengths_or_sizes_do_not_compare(other: Frames) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        temporal_error(CLIP, other)
