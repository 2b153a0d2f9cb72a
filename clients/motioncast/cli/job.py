"""The work of `motioncast stream` and `motioncast demo`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from motioncast.cli.cast import CastOptions
from motioncast.cli.watching import Part
from motioncast.client import FramingMode

FULL_PICTURE: Final = "full_picture.mp4"


@dataclass(frozen=True, slots=True)
class StreamJob:
    """What to stream, through which service, and where to write the results."""

    video: Path
    out: Path
    options: CastOptions
    sources: Sequence[Path] = ()  # other images to animate; none: the video's first frame
    gather: int = 1  # the most frames of the video that become sources
    send: Literal["frames", "keypoints"] = "frames"
    skip: int = 0  # frames to skip at the video's beginning
    limit: int | None = None  # frames of the video to take; None: all
    target: str | None = None  # the orchestrator's HOST:PORT; None: started in this process
    models: Path | None = None  # model repository of this process; None: the installed one
    frame: FramingMode | None = None  # how pictures are framed; None: as the model requires
    full_picture: bool = False  # also write the results put back into the full pictures
    rivals: bool = False  # also measure what video codecs need for the same frames
    force: bool = False  # replace existing results

    @property
    def part(self) -> Part:
        """The frames to take."""
        return Part(self.video, self.skip, self.limit)
