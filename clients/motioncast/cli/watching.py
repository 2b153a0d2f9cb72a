"""Reads a video once, from beginning to end, and records what happened to its clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from motioncast.cli.failures import CommandError
from motioncast.cli.progress import Stages
from motioncast.client import Pixels
from motioncast.client.video import read_video
from motioncast.media import shown


@dataclass(frozen=True, slots=True)
class Part:
    """The requested frames of a video."""

    video: Path
    skip: int = 0  # frames to skip at its beginning
    limit: int | None = None  # number of frames to take after those; None: all


@dataclass(frozen=True, slots=True)
class Watched:
    """What was read from a video."""

    frame_rate: float  # frames per second
    frames: int
    start: float  # seconds on the file's clock at which the first frame is shown
    repeated: int  # frames among them that were inserted because the previous one was held
    dropped: int  # frames that were dropped because they came too close together


async def watch(
    part: Part, size: int | None, stages: Stages, take: Callable[[Pixels], None] | None
) -> Watched:
    """Reads the requested part of a video.

    Args:
        part: The file and its frames.
        size: Side of the squares to produce; None for full pictures.
        stages: Shows progress.
        take: Called with every frame; None only counts them.

    Raises:
        MediaError: The file cannot be read.
        CommandError: There are no frames after the skipped ones.
    """
    end = None if part.limit is None else part.skip + part.limit
    with read_video(part.video, size, limit=end) as video:
        advance = stages("reading", end)
        frames = repeated = dropped = 0
        for image in video.frames if take is not None else video.count():
            if frames >= part.skip:
                if take is not None and not isinstance(image, int):
                    take(image)
            else:
                repeated, dropped = video.repeated, video.dropped
            frames += 1
            advance()
            await asyncio.sleep(0)  # lets Ctrl-C and SIGTERM take effect
        if frames <= part.skip:
            name = shown(part.video.name)
            raise CommandError(f"skip: {name} has only {frames} frames, cannot skip {part.skip}")
        return Watched(
            video.frame_rate,
            frames - part.skip,
            video.start + part.skip / video.frame_rate,
            video.repeated - repeated,
            video.dropped - dropped,
        )
