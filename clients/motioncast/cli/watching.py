"""Reading a video once, from beginning to end, and what was seen of its clock."""

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
    """Which frames of a video are wanted."""

    video: Path
    skip: int = 0  # frames to leave out at its beginning
    limit: int | None = None  # frames to take then; None: all


@dataclass(frozen=True, slots=True)
class Watched:
    """What was read of a video."""

    frame_rate: float  # frames per second
    frames: int
    start: float  # seconds on the file's clock at which the first of them is shown
    repeated: int  # of them, put in because the frame before was held
    dropped: int  # left out among them because they came too close together


async def watch(
    part: Part, size: int | None, stages: Stages, take: Callable[[Pixels], None] | None
) -> Watched:
    """Reads what is wanted of a video.

    Args:
        part: The file and its frames.
        size: Side of the squares to read; None for full pictures.
        stages: Shows progress.
        take: Called with every frame; None to count them only.

    Raises:
        MediaError: The file cannot be read.
        CommandError: It has no frame after those that are skipped.
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
            await asyncio.sleep(0)  # lets Ctrl-C and SIGTERM through
        if frames <= part.skip:
            name = shown(part.video.name)
            raise CommandError(f"skip: {name} has {frames} frames, none is left after {part.skip}")
        return Watched(
            video.frame_rate,
            frames - part.skip,
            video.start + part.skip / video.frame_rate,
            video.repeated - repeated,
            video.dropped - dropped,
        )
