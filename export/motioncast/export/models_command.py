"""`motioncast models`: shows the operators, speed and quality of models in repositories.

motioncast models operators --repository model_repository
motioncast models compare model_repository int8_repository --data videos/train
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import onnx
import typer

from motioncast.data.command_line import Failure, Program
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

PARTS = ("keypoint", "registration", "synthesis", "predictor")
CLIPS = 12
Options = TypeVar("Options")


@dataclass(frozen=True, kw_only=True)
class ModelsOptions:
    """Options common to both commands: which models of a repository to inspect."""

    config: Annotated[str, typer.Option(metavar="NAME", help="configuration of the models")] = (
        "face256"
    )
    threads: Annotated[int, typer.Option(min=1)] = os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class OperatorsOptions(ModelsOptions):
    """Options of `operators`: the repository to inspect, and the frames in one call."""

    repository: Annotated[Path, typer.Option(metavar="FOLDER")] = Path("model_repository")
    frames: Annotated[int, typer.Option(min=1, help="number of frames in one call")] = 10


@dataclass(frozen=True, kw_only=True)
class CompareOptions(ModelsOptions):
    """Options of `compare`: the repositories to compare, and the inputs to compare them on."""

    repositories: Annotated[list[Path], typer.Argument(metavar="REPOSITORY")]
    frames: Annotated[
        list[int] | None,
        typer.Option(metavar="T", min=1, help="number of frames in one call; may be repeated"),
    ] = None
    rounds: Annotated[int, typer.Option(min=1)] = 15
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="folder of videos to measure PSNR on (validation clips)"
        ),
    ] = None
    clips: Annotated[int, typer.Option(min=1, help="maximum number of clips")] = CLIPS
    json: Annotated[Path | None, typer.Option(help="JSON file to write the times to")] = None


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the requested command; exits with status 1 and a message on failure."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    program = PROGRAMS.get(given[0]) if given else None
    if program is None:
        print(f"Usage: motioncast models {{{','.join(PROGRAMS)}}} [OPTIONS]\n\n{__doc__}")
        raise SystemExit(0 if given[:1] == ["--help"] else 2)
    program(given[1:])


def printing(page: Callable[[Options], str]) -> Callable[[Options, str], None]:
    """Returns a function that runs a command and prints the page it returns."""

    def run(options: Options, command: str) -> None:
        try:
            print(page(options))
        except (OSError, ValueError) as error:
            raise Failure(str(error)) from error

    return run


def operators(options: OperatorsOptions) -> str:
    """Returns, for each model, a fusion summary and its operators by share of run time."""
    pages = []
    for part in PARTS:
        if (
            part == "registration"
            and not (options.repository / f"{options.config}_{part}").is_dir()
        ):
            continue  # most configurations have none
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


def compare(options: CompareOptions) -> str:
    """Returns each repository's milliseconds per frame, and its PSNR if videos are given."""
    loaded = [LoadedModels(path, options.config, options.threads) for path in options.repositories]
    speeds = measure(loaded, options.frames or FRAMES, options.rounds)
    rows = []
    for models, each in zip(loaded, speeds, strict=True):
        for speed, first in zip(each, speeds[0], strict=True):
            rows.append(
                [
                    str(models.repository),
                    str(speed.frames),
                    *(
                        f"{one.cpu:.2f} ({one.wall:.2f})"
                        for one in (
                            speed.detector,
                            speed.registration,
                            speed.synthesis,
                            speed.total,
                        )
                    ),
                    f"{first.total.cpu / speed.total.cpu:.2f}",
                ]
            )
    if options.json is not None:
        times = [
            {"repository": str(models.repository), "speeds": [asdict(speed) for speed in each]}
            for models, each in zip(loaded, speeds, strict=True)
        ]
        options.json.write_text(json.dumps({"repositories": times}, indent=2) + "\n", "utf-8")
    header = ["repository", "T", "detector", "registration", "synthesis", "all", "times as fast"]
    title = f"CPU ms per frame (wall), {options.threads} thread(s)"
    pages = [f"{title}\n\n{as_table(header, rows)}"]
    stages = [
        [str(models.repository), *(f"{ms:.2f}" for ms in stage_ms)]
        for models, stage_ms in zip(loaded, encode_and_decode(loaded, options.rounds), strict=True)
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
    """Returns the first validation clips of a folder (those not trained on), each (T, S, S, 3).

    Raises ValueError when there are none.
    """
    paths = VideoFolder(folder).paths()
    _, held_out = split_names([path.name for path in paths])
    if not held_out:
        raise ValueError(f"data: {folder} contains no validation clips")
    return [read_clip(paths[i], size) for i in held_out[:limit]]


def as_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    padded = (
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def _case(part: str, frames: int) -> Case:
    """Returns a case whose frames fill the batch axis (detector) or the time axis (others)."""
    return Case(frames, 1, seed=1) if part == "keypoint" else Case(1, frames, seed=1)


PROGRAMS: Final[Mapping[str, Program[Any]]] = {
    "operators": Program(
        "motioncast models operators",
        OperatorsOptions,
        printing(operators),
        "What ONNX Runtime fuses, and what takes the time.",
    ),
    "compare": Program(
        "motioncast models compare",
        CompareOptions,
        printing(compare),
        "Speed and PSNR of several repositories.",
    ),
}


if __name__ == "__main__":
    main()
