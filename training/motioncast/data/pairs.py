"""Training samples: two frames of one clip, in order, and a close neighbour of the second.

The samples of step s depend on (seed, s) alone, so that a resumed training sees what it would
have seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from motioncast.data.clip_cache import ClipCache
from motioncast.data.video_folder import Clip

NEIGHBOUR_FRAMES = 2  # 80 ms at 25 frames/s: lips have moved, the head hardly


class Batch(NamedTuple):
    """Frames (B, 3, S, S) in [0, 1], augmented alike within a sample."""

    source: Tensor
    driving: Tensor
    neighbour: Tensor


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is varied at random; every amount is the largest deviation from none."""

    flip_probability: float = 0.5
    time_flip_probability: float = 0.5  # the later frame is the source
    zoom: float = 0.2  # crops as small as 1 / (1 + zoom) of the frame's side
    colour: float = 0.15  # gain of each channel
    brightness: float = 0.1


LITE = Augmentation()
NEMO = Augmentation(zoom=0.0, colour=0.0, brightness=0.0)  # Monkey-Net's, for faces
BAIR = replace(NEMO, time_flip_probability=0.0)  # Monkey-Net's: pushing does not run backwards
AUGMENTATIONS = {"lite": LITE, "nemo": NEMO, "bair": BAIR}


@dataclass(frozen=True, slots=True)
class PairSampler:
    """Draws batches of frame pairs from some clips of a cache."""

    cache: ClipCache
    clips: Sequence[int]
    batch_size: int
    seed: int
    augmentation: Augmentation = Augmentation()

    def batch(self, step: int) -> Batch:
        """Returns the batch of one training step."""
        random = np.random.default_rng([self.seed, step])
        samples = np.stack([self._sample(random) for _ in range(self.batch_size)])
        frames = torch.from_numpy(samples).permute(0, 1, 4, 2, 3).float() / 255  # (B, 3, 3, S, S)
        return Batch(*augment(frames, self.augmentation, random).unbind(dim=1))

    def _sample(self, random: np.random.Generator) -> Clip:
        clip = self.cache.clip(self.clips[int(random.integers(len(self.clips)))])
        first, second = np.sort(random.choice(len(clip), 2, replace=len(clip) < 2))
        if random.random() < self.augmentation.time_flip_probability:
            first, second = second, first
        step = NEIGHBOUR_FRAMES if second + NEIGHBOUR_FRAMES < len(clip) else -NEIGHBOUR_FRAMES
        neighbour = np.clip(second + step, 0, len(clip) - 1)
        return np.stack([clip[first], clip[second], clip[neighbour]])


def augment(frames: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    """Varies frames (B, F, 3, S, S): the same flip, crop and colours for all F of a sample."""
    batch, count = frames.shape[:2]
    gain = 1 + augmentation.colour * random.uniform(-1, 1, (batch, 1, 3, 1, 1))
    offset = augmentation.brightness * random.uniform(-1, 1, (batch, 1, 1, 1, 1))
    flip = np.where(random.random(batch) < augmentation.flip_probability, -1.0, 1.0)
    # Half of the samples keep every pixel; resampling blurs, and outputs should not learn to.
    zoom = np.where(random.random(batch) < 0.5, augmentation.zoom * random.random(batch), 0.0)
    scale = 1 / (1 + zoom)
    affine = np.zeros((batch, 2, 3), dtype=np.float32)
    affine[:, 0, 0], affine[:, 1, 1] = scale * flip, scale
    affine[:, :, 2] = (1 - scale)[:, None] * random.uniform(-1, 1, (batch, 2))
    coloured = frames * torch.from_numpy(gain).float() + torch.from_numpy(offset).float()
    every_frame = torch.from_numpy(affine).repeat_interleave(count, dim=0)
    return transform(coloured.clamp(0, 1).flatten(0, 1), every_frame).view_as(frames)


def random_affine(
    batch: int,
    random: np.random.Generator,
    rotation: float = 0.25,
    scale: float = 0.15,
    shift: float = 0.15,
) -> Tensor:
    """Returns affine maps [A | b] (B, 2, 3); amounts are the largest of each kind.

    Rotations are in radians, scales around 1, shifts in half frames.
    """
    angle = random.uniform(-rotation, rotation, batch)
    size = 1 + random.uniform(-scale, scale, batch)
    cos, sin = size * np.cos(angle), size * np.sin(angle)
    moved = random.uniform(-shift, shift, (2, batch))
    rows = [np.stack([cos, -sin, moved[0]], axis=-1), np.stack([sin, cos, moved[1]], axis=-1)]
    return torch.from_numpy(np.stack(rows, axis=1)).float()


def transform(images: Tensor, affine: Tensor) -> Tensor:
    """Returns u -> image(A u + b) for images (N, C, S, S), repeating pixels beyond the border."""
    grid = functional.affine_grid(affine, list(images.shape), align_corners=True)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=True)
