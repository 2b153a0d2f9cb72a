"""The paper's experiments (section 5): the observed frames, and the source of each clip.

    m1     5 observed, 27 predicted, 32 frames, 10 initialisations     (UvA-Nemo, Figures 6-9)
    m2     1 observed, 1 predicted, repeated over 32 frames, 5 initialisations
    bair   5 observed, 25 predicted, 30 frames, 5 initialisations      (BAIR, Figures 10-11)

Shapes: T frames of a clip, K keypoints (x, y, intensity).
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from motioncast.models.predictors.gap_filling import pattern
from motioncast.timeline.motion import relative_motion as moved_since

Mode = Literal["reconstruction", "transfer"]
MODES: tuple[Mode, ...] = ("reconstruction", "transfer")


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one experiment of the paper divides time into sent and forecast frames."""

    name: str
    observed_frames: int  # M
    predicted_frames: int  # N
    frames: int  # T: M and N alternate up to this length
    initialisations: int  # in the paper
    title: str
    checkpoints: str  # the folder of our own, below training/checkpoints

    def mask(self) -> Tensor:
        """Returns which frames are observed, (T,) bool."""
        return pattern(self.observed_frames, self.predicted_frames, self.frames)

    def horizons(self) -> list[int]:
        """Returns the number of frames since the last observed one, 0 for observed frames."""
        last, horizons = 0, []
        for frame, seen in enumerate(self.mask().tolist()):
            last = frame if seen else last
            horizons.append(frame - last)
        return horizons


ProtocolName = Literal["m1", "m2", "bair"]
PROTOCOLS = {
    known.name: known
    for known in (
        Protocol("m1", 5, 27, 32, 10, "M1: 5 frames observed, 27 predicted", "grid64"),
        Protocol("m2", 1, 1, 32, 5, "M2: every other frame observed", "grid64"),
        Protocol("bair", 5, 25, 30, 5, "BAIR: 5 frames observed, 25 predicted", "bridge64"),
    )
}


def transfer_sources(videos: Sequence[Hashable], generator: torch.Generator) -> list[int]:
    """Draws for every clip another clip that provides its source image, always of another video.

    videos: the video that each clip was cut from. Every clip is a source once, unless one video
    has more than half of all clips: then no such permutation exists and sources repeat. Raises
    ValueError when all clips are of one video.
    """
    if len(set(videos)) < 2:
        raise ValueError(
            "transfer: needs clips of at least two videos, one for the source and one"
            " for the motion"
        )
    shuffled: list[int] = torch.randperm(len(videos), generator=generator).tolist()
    counts = Counter(videos)
    largest = max(counts.values())
    if 2 * largest > len(videos):
        return [_draw_other(clip, videos, generator) for clip in range(len(videos))]
    # When each video's clips are adjacent, the clip `largest` positions further on is of another
    # video.
    places: dict[Hashable, int] = {}
    for clip in shuffled:
        places.setdefault(videos[clip], len(places))
    order = sorted(shuffled, key=lambda clip: places[videos[clip]])
    sources = [0] * len(videos)
    for place, clip in enumerate(order):
        sources[clip] = order[(place + largest) % len(order)]
    return sources


def relative_motion(driving: Tensor, source: Tensor) -> Tensor:
    """Applies the motion of driving (T, K, 3) since its first frame to source (K, 3): (T, K, 3)."""
    start = driving[0].cpu().numpy()
    moved = moved_since(source.cpu().numpy(), driving.cpu().numpy(), start)
    return torch.from_numpy(moved).to(driving)


def _draw_other(clip: int, videos: Sequence[Hashable], generator: torch.Generator) -> int:
    others = [other for other, video in enumerate(videos) if video != videos[clip]]
    return others[int(torch.randint(len(others), (), generator=generator))]
