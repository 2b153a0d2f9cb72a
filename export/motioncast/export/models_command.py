"""`motioncast models`: what models in repositories are made of, how fast and how good they are.

motioncast models operators --repository model_repository
motioncast models compare model_repository int8_repository --data videos/train
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import onnx

from motioncast.data.video_folder import VideoFolder, read_clip
from motioncast.export.calibration import Clip, split_names
from motioncast.export.fusion import profile, summary
from motioncast.export.parity import Case
from motioncast.export.repository import onnx_file
from motioncast.export.sampling import draw_inputs
from motioncast.export.speed import (
    FRAMES,
    LoadedModels,
    encode_and_decode,
    measure,
    open_session,
    psnr_db,
    specification_of,
)

PARTS = ("keypoint", "synthesis", "predictor")
CLIPS = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what is asked for; returns the exit code, 1 with a sentence for what is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        print(options.run(options))
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


def operators(options: argparse.Namespace) -> str:
    """Returns how each model is fused, and its operators by their share of the time."""
    pages = []
    for part in PARTS:
        path = onnx_file(options.repository, f"{options.config}_{part}")
        model = onnx.load(path)
        inputs = draw_inputs(specification_of(open_session(path, 1)), _case(part, options.frames))
        times = profile(model, inputs, options.threads)
        rows = [
            [one.operator, str(one.count), f"{one.ms / options.frames:.3f}", f"{one.share:.1%}"]
            for one in times
            if one.share >= 0.001
        ]
        header = ["operator", "how many", "ms per frame", "share"]
        pages.append(f"{summary(model)}\n\n{as_table(header, rows)}")
    return "\n\n".join(pages)


def compare(options: argparse.Namespace) -> str:
    """Returns milliseconds per frame of each repository, and its PSNR when there are videos."""
    loaded = [LoadedModels(path, options.config, options.threads) for path in options.repositories]
    speeds = measure(loaded, options.frames, options.rounds)
    rows = []
    for models, each in zip(loaded, speeds, strict=True):
        for speed, first in zip(each, speeds[0], strict=True):
            rows.append(
                [
                    str(models.repository),
                    str(speed.frames),
                    *(
                        f"{one.cpu:.2f} ({one.wall:.2f})"
                        for one in (speed.detector, speed.synthesis, speed.total)
                    ),
                    f"{first.total.cpu / speed.total.cpu:.2f}",
                ]
            )
    header = ["repository", "T", "detector", "synthesis", "both", "times as fast"]
    title = f"CPU ms per frame (wall), {options.threads} thread(s)"
    pages = [f"{title}\n\n{as_table(header, rows)}"]
    stages = [
        [str(models.repository), *(f"{ms:.2f}" for ms in times)]
        for models, times in zip(loaded, encode_and_decode(loaded, options.rounds), strict=True)
    ]
    header = ["repository", "encode a source, CPU ms", "decode a frame, CPU ms"]
    pages.append(as_table(header, stages))
    if options.data is not None:
        clips = validation_clips(options.data, loaded[0].size, options.clips)
        found = [psnr_db(models, clips) for models in loaded]
        quality = [
            [str(models.repository), f"{psnr:.2f}", f"{found[0] - psnr:.2f}"]
            for models, psnr in zip(loaded, found, strict=True)
        ]
        title = f"{len(clips)} validation clips of {options.data}, from the first frame"
        pages.append(f"{title}\n\n{as_table(['repository', 'PSNR dB', 'cost dB'], quality)}")
    return "\n\n".join(pages)


def validation_clips(folder: Path, size: int, limit: int) -> list[Clip]:
    """Returns the first clips of a folder that training leaves out, (T, S, S, 3) each.

    Raises ValueError when there are none.
    """
    paths = VideoFolder(folder).paths()
    _, held_out = split_names([path.name for path in paths])
    if not held_out:
        raise ValueError(f"data: {folder} has no validation clip")
    return [read_clip(paths[i], size) for i in held_out[:limit]]


def as_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Writes a table (Markdown), its columns aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    padded = (
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def _case(part: str, frames: int) -> Case:
    """Frames are the batch of a detector, and the time of the others."""
    return Case(frames, 1, seed=1) if part == "keypoint" else Case(1, frames, seed=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="motioncast models", description="What models are made of."
    )
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("operators", help="what ONNX Runtime fuses, and what takes the time")
    one.add_argument("--repository", type=Path, default=Path("model_repository"))
    one.add_argument("--frames", type=int, default=10, help="of one call (default: 10)")
    one.set_defaults(run=operators)
    two = commands.add_parser("compare", help="speed and PSNR of several repositories")
    two.add_argument("repositories", type=Path, nargs="+", metavar="REPOSITORY")
    two.add_argument("--frames", type=int, nargs="+", default=list(FRAMES), metavar="T")
    two.add_argument("--rounds", type=int, default=15)
    two.add_argument("--data", type=Path, metavar="FOLDER", help="videos: PSNR on validation clips")
    two.add_argument("--clips", type=int, default=CLIPS, help=f"at most (default: {CLIPS})")
    two.set_defaults(run=compare)
    for command in (one, two):
        command.add_argument("--config", default="face256", help="name of the models")
        command.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    return parser


if __name__ == "__main__":
    sys.exit(main())
