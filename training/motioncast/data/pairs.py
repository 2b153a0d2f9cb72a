"""Training samples: two frames of one clip, in order, and a close neighbour of the second.

Sample i of step s depends only on (seed, s, i), so a resumed training sees the samples it would
have seen, and several processes each draw their own part of the same batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from motioncast.data.augmentation import LITE, Augmentation, augment
from motioncast.data.clip_cache import ClipCache
from motioncast.data.rooms import made_up_wall

MADE_UP_ROOMS = 0.4  # share of synthetic rooms when there are pictures of real ones
NEIGHBOUR_FRAMES = 2  # 80 ms at 25 frames/s: lips have moved, the head hardly at all


class Batch(NamedTuple):
    """Frames (B, 3, S, S) in [0, 1], augmented alike within a sample."""

    source: Tensor
    driving: Tensor
    neighbour: Tensor


@dataclass(frozen=True, slots=True)
class Pool:
    """Clips that samples are drawn from; photographs are clips of one frame."""

    cache: ClipCache
    clips: Sequence[int]
    share: float = 1.0  # of the samples, relative to those of the other pools


@dataclass(frozen=True, slots=True)
class PairSampler:
    """Draws batches of frame pairs from pools of clips.

    Process `rank` of `count` draws its part of every batch; `count` must divide the batch size.
    """

    pools: Sequence[Pool]
    batch_size: int
    seed: int
    augmentation: Augmentation = LITE
    rank: int = 0
    count: int = 1
    rooms: Pool | None = None  # whose pictures serve as backgrounds, besides synthetic ones

    def __post_init__(self) -> None:
        if self.batch_size % self.count:
            raise ValueError(
                f"batch: {self.batch_size} samples cannot be divided equally among"
                f" {self.count} processes"
            )

    def batch(self, step: int) -> Batch:
        """Returns this process's samples of one training step."""
        part = self.batch_size // self.count
        mine = range(self.rank * part, (self.rank + 1) * part)
        samples = torch.stack([self._sample(step, index) for index in mine])
        return Batch(*samples.unbind(dim=1))

    def _sample(self, step: int, index: int) -> Tensor:
        """Returns source, driving and neighbouring frame (3, 3, S, S), augmented."""
        random = np.random.default_rng([self.seed, step, index])
        pool = self._pool(random)
        clip = pool.cache.clip(pool.clips[int(random.integers(len(pool.clips)))])
        first, second = np.sort(random.choice(len(clip), 2, replace=len(clip) < 2))
        if random.random() < self.augmentation.time_flip_probability:
            first, second = second, first
        step = NEIGHBOUR_FRAMES if second + NEIGHBOUR_FRAMES < len(clip) else -NEIGHBOUR_FRAMES
        neighbour = np.clip(second + step, 0, len(clip) - 1)
        frames = np.stack([clip[first], clip[second], clip[neighbour]])
        images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        still = len(clip) == 1
        return augment(images, self.augmentation, random, photograph=still, room=self._room)

    def _room(self, random: np.random.Generator, side: int) -> Tensor:
        """Draws a background picture (3, S, S)."""
        if self.rooms is None or random.random() < MADE_UP_ROOMS:
            return made_up_wall(random, side)
        clips = self.rooms.clips
        clip = self.rooms.cache.clip(clips[int(random.integers(len(clips)))])
        picture = np.array(clip[int(random.integers(len(clip)))])
        return torch.from_numpy(picture).permute(2, 0, 1).float() / 255

    def _pool(self, random: np.random.Generator) -> Pool:
        if len(self.pools) == 1:
            return self.pools[0]
        shares = np.array([pool.share for pool in self.pools])
        return self.pools[int(random.choice(len(self.pools), p=shares / shares.sum()))]
