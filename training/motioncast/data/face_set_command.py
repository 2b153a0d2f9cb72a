"""The command that writes a set of faces, whatever fills it: options, refusals and the report.

parser = set_parser("python -m ...", __doc__, "PHOTOGRAPHS")
write_set(parser, arguments, fill)
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch

from motioncast.client.errors import MotioncastError
from motioncast.data.arguments import count_of
from motioncast.data.face_files import FaceFilesError
from motioncast.data.face_set_writer import FaceSetWriter
from motioncast.data.faces import FaceSetError
from motioncast.data.found_faces import SIDE_STEP
from motioncast.data.video_folder import DamagedVideoError
from motioncast.models.checkpoint import CheckpointError
from motioncast.wire.errors import DomainError

MOST_SIDE: Final = 1024  # pixels
REFUSALS: Final = (  # what a user is told in a sentence
    OSError,
    CheckpointError,
    DamagedVideoError,
    FaceFilesError,
    FaceSetError,
    MotioncastError,
    DomainError,
)


Fill = Callable[[argparse.Namespace, FaceSetWriter], list[str]]  # a line for what is left out


def set_parser(prog: str, description: str | None, sources: str) -> argparse.ArgumentParser:
    """Returns a parser of sources, --out, --side, --persons, --checkpoint, --threads, --force."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar=sources, help="files and folders")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="to be written")
    parser.add_argument("--side", type=side_of, default=256, help="of the frames (default: 256)")
    parser.add_argument(
        "--persons", type=Path, metavar="LIST.csv", help="whom files show: file, person_id"
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="whose detector finds the keypoints (default: face256's)"
    )
    parser.add_argument("--threads", type=count_of, default=torch.get_num_threads())
    parser.add_argument("--force", action="store_true", help="replace the set that is there")
    parser.set_defaults(matte=False)
    return parser


def write_set(parser: argparse.ArgumentParser, arguments: Sequence[str] | None, fill: Fill) -> None:
    """Writes the set that the arguments ask for; what is wrong is a sentence and exit code 2."""
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    left_out: list[str] = []
    try:
        with FaceSetWriter(options.out, options.side, options.force, options.matte) as writer:
            left_out = fill(options, writer)
            if not writer.clips:  # which is refused at the end
                print("\n".join(left_out[:10]), file=sys.stderr)
    except REFUSALS as error:
        parser.error(str(error))
    _report(options.out, writer, left_out)


def side_of(text: str) -> int:
    """Reads the side of a set's frames; argparse's error unless a detector takes such pictures."""
    side = int(text) if text.isdecimal() else 0
    if not SIDE_STEP <= side <= MOST_SIDE or side % SIDE_STEP:
        allowed = f"a multiple of {SIDE_STEP} up to {MOST_SIDE}"
        raise argparse.ArgumentTypeError(f"{text} is not {allowed}")
    return side


def _report(out: Path, writer: FaceSetWriter, left_out: Sequence[str]) -> None:
    """Prints what is in a set, and what is not and why."""
    for line in left_out:
        print(f"left out: {line}")
    people = {clip["person"] for clip in writer.clips}
    print(
        f"{out}: {len(writer.clips)} clips of {len(people)} people,"
        f" {writer.clips[-1]['stop']} frames"
    )
