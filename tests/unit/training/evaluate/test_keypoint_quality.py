"""How suitable keypoints are for forecasting, measured on a detector of known behaviour.

The detector's only keypoint is the centroid of brightness; the images show a soft blob on black.
"""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from motioncast.evaluate.keypoint_quality import (
    DRIFTING,
    JUMP,
    KINDS,
    NOISY,
    STRETCH,
    measure_clip,
    of_clip,
    random_maps,
    summarise,
    with_noise,
)

SIZE = 96
Frames = npt.NDArray[np.uint8]


def blob(x: float, y: float, deviation: float = 0.12) -> Frames:
    """Returns an image (S, S, 3) of a Gaussian blob at a position in [-1, 1]."""
    centres = np.linspace(-1, 1, SIZE)
    along_x = np.exp(-((centres - x) ** 2) / (2 * deviation**2))
    along_y = np.exp(-((centres - y) ** 2) / (2 * deviation**2))
    grey = 255 * along_y[:, None] * along_x
    return np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=-1)


def centroid(frames: Frames) -> Tensor:
    """The detector: (T, S, S, 3) -> (T, 1, 3)."""
    centres = np.linspace(-1, 1, SIZE)
    weight = frames.astype(np.float64).mean(axis=-1)
    total = weight.sum(axis=(1, 2))
    x = (weight.sum(axis=1) @ centres) / total
    y = (weight.sum(axis=2) @ centres) / total
    return torch.from_numpy(np.stack([x, y, np.ones_like(x)], axis=-1)[:, None])


def test_a_blob_that_rests_then_jumps_is_measured_as_such() -> None:
    clip = np.stack([blob(0.1, -0.1)] * 10 + [blob(0.3, -0.1)] * 2)

    samples = measure_clip(centroid, clip, np.random.default_rng(0))

    assert samples[STRETCH].max() < 1e-6
    assert samples[DRIFTING].max() < 1e-6
    assert samples[NOISY].max() < 1e-6  # the images are noise-free
    assert samples[JUMP].max().item() == pytest.approx(0.2 * 127 / 2, abs=0.05)
    for kind in KINDS:
        assert samples[kind].shape == (16, 1)
        assert samples[kind].max() < 0.1  # the centroid of a blob moves with it


def test_a_detector_that_does_not_move_errs_by_how_far_the_image_was_moved() -> None:
    clip = np.stack([blob(0.0, 0.0)] * 12)

    def stuck(frames: Frames) -> Tensor:
        return torch.tensor([[[0.4, 0.0, 1.0]]]).expand(len(frames), 1, 3)

    samples = measure_clip(stuck, clip, np.random.default_rng(3))

    replay = np.random.default_rng(3)
    replay.normal(0, 0, (16, SIZE, SIZE, 3))  # skips the values drawn for noisy frames
    shifts = torch.cat([random_maps("shift", 4, replay)[:, :, 2] for _ in range(4)])
    turns = torch.cat([random_maps("rotation", 4, replay)[:, :, :2] for _ in range(4)])
    expected = torch.linalg.vector_norm(shifts.double(), dim=-1) * 127 / 2
    assert torch.allclose(samples["shift"][:, 0], expected, rtol=1e-5)
    chord = 2 * torch.sin(torch.acos(turns[:, 0, 0].double()) / 2) * 0.4 * 127 / 2
    assert torch.allclose(samples["rotation"][:, 0], chord, atol=1e-3)


def test_noise_moves_a_centroid_as_the_propagation_of_errors_says() -> None:
    image = np.full((SIZE, SIZE, 3), 128, np.uint8)
    frames = with_noise(image, 4.0, 200, np.random.default_rng(0))

    positions = centroid(frames)[:, 0, 0]

    # x = sum(w c) / sum(w); weights have mean 128, deviation 4 / sqrt(3) as means of three colours.
    centres = np.linspace(-1, 1, SIZE)
    expected = 4 / math.sqrt(3) * math.sqrt(SIZE * np.square(centres).sum()) / (128 * SIZE**2)
    assert float(positions.std()) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_of_the_inner_part_show_nothing_from_outside_the_frame(kind: str) -> None:
    maps = random_maps(kind, 200, np.random.default_rng(0))
    corners = torch.tensor([[x, y, 1.0] for x in (-1.0, 1.0) for y in (-1.0, 1.0)])
    assert (0.85 * (maps @ corners.T)).abs().max() <= 1


def test_an_unknown_kind_of_map_is_refused() -> None:
    with pytest.raises(ValueError, match="'shear' is unknown"):
        random_maps("shear", 1, np.random.default_rng(0))


def test_the_summary_is_over_samples_and_keypoints_and_leaves_out_what_is_missing() -> None:
    nan = math.nan
    first = {STRETCH: torch.tensor([[1.0, 3.0]]), "shift": torch.tensor([[1.0, nan], [2.0, 6.0]])}
    second = {STRETCH: torch.tensor([[2.0, 6.0]]), "shift": torch.tensor([[nan, nan]])}

    stretch, shift = summarise("lite", [first, second])

    assert (stretch.measure, stretch.clips, stretch.mean) == (STRETCH, 2, 3.0)
    assert (stretch.worst_keypoint, stretch.worst_keypoint_mean, stretch.largest) == (1, 4.5, 6.0)
    assert (shift.measure, shift.mean, shift.median, shift.largest) == ("shift", 3.0, 2.0, 6.0)
    assert [line.measure for line in of_clip("lite", "b", second)] == [STRETCH]
