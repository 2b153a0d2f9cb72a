"""Videos of one person or scene, each divided in time: a training part and a held-out tail.

    | training                        | held out | not used      |
    0                            use * (1 - h)  use           the end

The frames are those that `motioncast stream` would send: the same file, and the same centre square
or, with a framing, the same crop around the face in the first frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from motioncast.data.clip_cache import DEFAULT_CACHE, ClipCache, cached_clips
from motioncast.data.framing import ClipFraming
from motioncast.data.video_folder import Clip
from motioncast.media import read_video

LEARNED_FRAMES: Final = 48  # minimum per video: the predictor trains on 32 in a row
HELD_OUT_FRAMES: Final = 12  # minimum per video: the longest horizon that is evaluated


class OwnVideosError(ValueError):
    """Raised when videos or shares of them are unusable; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Division:
    """Which share of every video is used, and which share of that is held out at its end."""

    use: float = 1.0
    held_out: float = 0.1

    def __post_init__(self) -> None:
        """Raises OwnVideosError for a share outside its range."""
        if not 0 < self.use <= 1:
            raise OwnVideosError(f"use-until: {self.use:g} is out of range (0, 1]")
        if not 0 < self.held_out < 1:
            raise OwnVideosError(f"held-out: {self.held_out:g} is out of range (0, 1)")

    def used(self, frames: int) -> int:
        """Returns the number of frames used, from the start of a video."""
        return round(self.use * frames)

    def learned(self, used: int) -> int:
        """Returns how many of the used frames are trained on."""
        return used - max(HELD_OUT_FRAMES, round(self.held_out * used))


@dataclass(frozen=True, slots=True)
class OwnVideos:
    """The used frames of every video; clip 2 i of `parts` is trained on, 2 i + 1 held out."""

    whole: ClipCache
    parts: ClipCache

    @property
    def learned(self) -> range:
        """Indices of the parts to train on."""
        return range(0, len(self.parts), 2)

    def lines(self) -> list[str]:
        """Returns a readable line about every video."""
        lengths = self.parts.lengths().reshape(-1, 2).tolist()
        return [
            f"{name}: {learned} frames to train on, {tail} held out"
            for name, (learned, tail) in zip(self.whole.names, lengths, strict=True)
        ]

    def sources_and_tails(self) -> list[tuple[Clip, Clip]]:
        """Returns the first frame (S, S, 3) and the held-out frames (T, S, S, 3) of every video."""
        return [(self.parts.clip(part)[0], self.parts.clip(part + 1)) for part in self.learned]


def open_own_videos(
    videos: Sequence[Path],
    size: int,
    division: Division,
    cache: Path = DEFAULT_CACHE,
    framing: ClipFraming | None = None,
) -> OwnVideos:
    """Reads videos at size x size, or finds them in the cache of decoded clips.

    Raises MediaError for a file that cannot be read to its end, OwnVideosError for one that is too
    short; both name the file.
    """
    whole = cached_clips(_Files(tuple(videos), division.use, framing), size, cache)
    needed = LEARNED_FRAMES + HELD_OUT_FRAMES
    starts = [0]
    for name, (start, end) in zip(whole.names, pairwise(whole.starts), strict=True):
        used = end - start
        learned = division.learned(used)
        if learned < LEARNED_FRAMES:
            raise OwnVideosError(
                f"{name}: {used} frames are too few (at least {needed}, of which"
                f" {LEARNED_FRAMES} to train on)"
            )
        starts += [start + learned, end]
    names = tuple(f"{name}, {part}" for name in whole.names for part in ("learned", "held out"))
    return OwnVideos(whole, ClipCache(names, tuple(starts), whole.frames))


@dataclass(frozen=True, slots=True)
class _Files:
    """Single files as a source of clips."""

    videos: tuple[Path, ...]
    use: float
    framing: ClipFraming | None = None

    @property
    def root(self) -> Path:
        """Names the cache's entry; videos are distinguished by the fingerprint."""
        return Path("own_videos")

    @property
    def options(self) -> str:
        framed = "" if self.framing is None else f", {self.framing.options}"
        return f"own videos, the first {self.use!r}{framed}"

    def paths(self) -> list[Path]:
        for video in self.videos:
            if not video.is_file():
                raise FileNotFoundError(f"{video}: no such video")
        return list(self.videos)

    def read(self, path: Path, size: int) -> Iterator[tuple[str, Clip]]:
        with read_video(path, size if self.framing is None else None) as video:
            framing = self.framing
            frames = list(video.frames) if framing is None else framing.cut(video.frames, size)
        yield path.name, np.stack(frames[: Division(self.use).used(len(frames))])
