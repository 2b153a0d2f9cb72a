"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ImageEncoding(StrEnum):
    """How images are encoded."""

    RGB8 = "rgb8"
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"


class Framing(StrEnum):
    """The part of each picture that the model sees."""

    AUTO = "auto"  # the face, followed slowly
    FIXED = "fixed"  # the square around the face in the first picture
    OFF = "off"  # the centre square


Video = Annotated[Path, typer.Argument(help="Video to send: any format that FFmpeg reads.")]
SourceImages = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Image to animate instead of the video's first frame; may be repeated, for up to 4 "
        "images of the same person or scene.",
    ),
]
Relative = Annotated[
    bool, typer.Option("--relative", help="With --source: transfer the motion, not the positions.")
]
Observed = Annotated[int, typer.Option(help="Frames sent per group.")]
Skip = Annotated[
    int, typer.Option(min=0, help="Number of frames to skip at the start of the video.")
]
Frame = Annotated[
    Framing | None, typer.Option(help="How the face is framed. Default: the model's setting.")
]
