"""How suitable keypoints are for forecasting: jitter without motion, equivariance, jumps.

    still stretch   the 10 consecutive frames of a clip that change least; a straight drift is not
                    jitter, any other motion in them counts as jitter: an upper bound
    noisy still     the first of them repeated, each time with normal noise as strong as the
                    camera's: the detector's response to noise alone
    shift, rotation, scale   random maps, one kind at a time, of the inner 85 % of a frame: all that
                    they show is inside the frame, and nothing is made up
    jump            from each frame to the next, motion included; if two keypoints swapped, the
                    jump would be as long as the distance between them

Shapes: T frames, S pixels, K keypoints (x, y, intensity), N maps.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from motioncast.data.augmentation import transform
from motioncast.evaluate.canvas import Frames, as_images
from motioncast.metrics.stability import (
    equivariance_error,
    jitter,
    jumps,
    stillest_stretch,
)
from motioncast.quality.flicker import LEVELS, noise_level, still_pixels
from motioncast.quality.pixels import planes

STRETCH_FRAMES = 10
NOISY_FRAMES = 16
ZOOM = 0.85
SHIFT = 0.15  # of half a frame: 9.5 pixels at 128
ROTATION = math.radians(10)
SCALE = 0.1
MAPS = 4  # of each kind and frame
MAPPED_FRAMES = 4  # per clip

STRETCH, DRIFTING, NOISY = "still stretch", "still stretch, with its drift", "noisy still"
KINDS = ("shift", "rotation", "scale")
JUMP = "jump"

Detector: TypeAlias = Callable[[Frames], Tensor]  # (T, S, S, 3) -> (T, K, 3)
Samples: TypeAlias = Mapping[str, Tensor]  # by measure, (N, K) in pixels at 128, NaN for none


@dataclass(frozen=True, slots=True)
class ClipStability:
    """One measure on one clip: means over its samples and keypoints, in pixels at 128."""

    networks: str
    clip: str
    measure: str
    mean: float
    largest: float


@dataclass(frozen=True, slots=True)
class Stability:
    """One measure over all clips, in pixels at 128."""

    networks: str
    measure: str
    clips: int
    mean: float  # over samples and keypoints
    median: float
    percentile_95: float
    worst_keypoint: int  # the index of the one with the largest mean
    worst_keypoint_mean: float
    largest: float


def measure_clip(detect: Detector, clip: Frames, random: np.random.Generator) -> dict[str, Tensor]:
    """Returns the samples (N, K) of all measures on a clip (T, S, S, 3), in pixels at 128.

    Raises ValueError for a clip of fewer than 10 frames.
    """
    frames = as_images(clip)
    start = stillest_stretch(frames, STRETCH_FRAMES)
    keypoints = detect(clip)
    stretch = keypoints[start : start + STRETCH_FRAMES]
    pixels = planes(clip)
    noise = noise_level(pixels, still_pixels(pixels))
    samples = {
        STRETCH: jitter(stretch)[None],
        DRIFTING: jitter(stretch, trend=False)[None],
        JUMP: jumps(keypoints),
    }
    if math.isfinite(noise):
        noisy = with_noise(clip[start], noise, NOISY_FRAMES, random)
        samples[NOISY] = jitter(detect(noisy), trend=False)[None]
    places = np.linspace(0, len(clip) - 1, MAPPED_FRAMES).round().astype(int)
    chosen = frames[torch.from_numpy(places)]
    for kind in KINDS:
        errors = [_equivariance(detect, image, random_maps(kind, MAPS, random)) for image in chosen]
        samples[kind] = torch.cat(errors)
    return samples


def with_noise(image: Frames, levels: float, count: int, random: np.random.Generator) -> Frames:
    """Returns `count` copies of an image (S, S, 3) with normal noise, its std in 8-bit levels."""
    noise = random.normal(0, levels, (count, *image.shape))
    return (image + noise).round().clip(0, LEVELS).astype(np.uint8)


def random_maps(kind: str, count: int, random: np.random.Generator) -> Tensor:
    """Draws maps [A | b] (N, 2, 3) of one kind, uniformly up to its maximum in either direction."""
    identity = np.tile(np.eye(2), (count, 1, 1))
    matrix, offset = identity, np.zeros((count, 2))
    if kind == "shift":
        offset = random.uniform(-SHIFT, SHIFT, (count, 2))
    elif kind == "rotation":
        angle = random.uniform(-ROTATION, ROTATION, count)
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], 1)
    elif kind == "scale":
        matrix = identity * random.uniform(1 - SCALE, 1 + SCALE, (count, 1, 1))
    else:
        raise ValueError(f"kind: {kind!r} is unknown (expected one of {', '.join(KINDS)})")
    return torch.from_numpy(np.concatenate([matrix, offset[..., None]], axis=-1)).float()


def summarise(networks: str, clips: Sequence[Samples]) -> list[Stability]:
    """Returns every measure over all clips, except those that no clip has."""
    names = dict.fromkeys(name for samples in clips for name in samples)
    order = [name for name in (STRETCH, DRIFTING, NOISY, *KINDS, JUMP) if name in names]
    rows = []
    for name in order:
        parts = [samples[name] for samples in clips if name in samples]
        values = torch.cat(parts)  # (N, K)
        known = values[~values.isnan()].numpy()
        of_keypoints = values.nanmean(dim=0).nan_to_num(0.0)
        rows.append(
            Stability(
                networks=networks,
                measure=name,
                clips=len(parts),
                mean=float(known.mean()),
                median=float(np.median(known)),
                percentile_95=float(np.percentile(known, 95)),
                worst_keypoint=int(of_keypoints.argmax()),
                worst_keypoint_mean=float(of_keypoints.max()),
                largest=float(known.max()),
            )
        )
    return rows


def of_clip(networks: str, clip: str, samples: Samples) -> list[ClipStability]:
    """Returns every measure on one clip."""
    return [
        ClipStability(networks, clip, name, float(known.mean()), float(known.max()))
        for name, values in samples.items()
        if len(known := values[~values.isnan()])
    ]


def _equivariance(detect: Detector, image: Tensor, maps: Tensor) -> Tensor:
    """Returns the errors (N, K) for maps (N, 2, 3) of the inner part of an image (3, S, S)."""
    identity = torch.eye(2, 3)[None]
    views = torch.cat([identity, maps]) * ZOOM  # (N + 1, 2, 3): u -> ZOOM (A u + b)
    pictures = transform(image.expand(len(views), -1, -1, -1), views)
    levels = (pictures * LEVELS).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    keypoints = detect(levels.numpy())
    return equivariance_error(keypoints[1:], keypoints[0], maps)
