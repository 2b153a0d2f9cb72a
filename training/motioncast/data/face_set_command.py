"""The common parts of commands that write a face set: options, refusals and the report."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import torch
import typer

from motioncast.client.errors import MotioncastError
from motioncast.data.command_line import Refusal, refusing
from motioncast.data.face_files import FaceFilesError
from motioncast.data.face_set_writer import FaceSetWriter
from motioncast.data.faces import FaceSetError
from motioncast.data.found_faces import SIDE_STEP
from motioncast.data.video_folder import DamagedVideoError
from motioncast.models.checkpoint import CheckpointError
from motioncast.wire.errors import DomainError

MOST_SIDE: Final = 1024  # pixels
REFUSALS: Final = (  # errors reported to the user in a sentence
    OSError,
    CheckpointError,
    DamagedVideoError,
    FaceFilesError,
    FaceSetError,
    MotioncastError,
    DomainError,
)


@dataclass(frozen=True, kw_only=True)
class FaceSetOptions:
    """What a set is made of, and how."""

    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILES", help="files to make the set from, and folders of them"),
    ]
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="folder to write the face set to")]
    side: Annotated[int, typer.Option(help="width and height of the frames in pixels")] = 256
    persons: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST.csv",
            help="CSV file that says whom each file shows, with columns file and person_id",
        ),
    ] = None
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="checkpoint whose detector finds the keypoints (default: that of face256)"
        ),
    ] = None
    threads: Annotated[int, typer.Option(min=1)] = torch.get_num_threads()
    force: Annotated[bool, typer.Option("--force", help="replace an existing face set")] = False


def write_set(
    options: FaceSetOptions, fill: Callable[[FaceSetWriter], list[str]], matte: bool = False
) -> None:
    """Writes the set that `fill` adds clips to; `fill` returns a line for each clip left out.

    Raises Refusal for invalid input.
    """
    check_side(options.side)
    torch.set_num_threads(options.threads)
    left_out: list[str] = []
    with (
        refusing(*REFUSALS),
        FaceSetWriter(options.out, options.side, options.force, matte) as writer,
    ):
        left_out = fill(writer)
        if not writer.clips:  # which raises an error at the end
            print("\n".join(left_out[:10]), file=sys.stderr)
    _report(options.out, writer, left_out)


def check_side(side: int) -> None:
    """Raises Refusal unless a detector accepts frames of this side."""
    if not SIDE_STEP <= side <= MOST_SIDE or side % SIDE_STEP:
        raise Refusal(f"--side: {side} is not a multiple of {SIDE_STEP} up to {MOST_SIDE}")


def _report(out: Path, writer: FaceSetWriter, left_out: Sequence[str]) -> None:
    """Prints what a set contains, and what was left out and why."""
    for line in left_out:
        print(f"left out: {line}")
    people = {clip["person"] for clip in writer.clips}
    print(
        f"{out}: {len(writer.clips)} clips of {len(people)} people,"
        f" {writer.clips[-1]['stop']} frames"
    )
