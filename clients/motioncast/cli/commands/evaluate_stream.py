"""`motioncast evaluate stream`: the quality of a folder of clips, by pattern and origin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motioncast.cli.commands.options import Framing


def evaluate_stream(
    folder: Annotated[Path, typer.Argument(help="Folder of held-out videos.")],
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M:N",
            help="Pattern of frames sent and forecast per group; may be repeated. Default: "
            "1:0, 1:1 and 5:5.",
        ),
    ] = None,
    clips: Annotated[
        int | None,
        typer.Option(help="Maximum number of clips, spread evenly over the folder.", min=1),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT of an orchestrator. Default: run all services in this process."
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(help="Folder of the model repository. Default: the shipped models."),
    ] = None,
    frame: Annotated[
        Framing | None,
        typer.Option(help="How the face is framed. Default: the model's setting."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Also write the result to this JSON file.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only errors.")] = False,
) -> None:
    """Measure PSNR and SSIM of the results, for observed and for predicted frames."""
    from rich.console import Console

    from motioncast.cli.before import check_json
    from motioncast.cli.clips import as_json, clips_table, evaluate_clips, find_clips
    from motioncast.cli.output import write_json
    from motioncast.cli.progress import progress_bars
    from motioncast.cli.stoppable import run_stoppable
    from motioncast.framing import FramingMode
    from motioncast.timeline.pattern import Pattern

    check_json(json)
    patterns = [Pattern.parse(text) for text in pattern or ("1:0", "1:1", "5:5")]
    chosen = find_clips(folder, clips)
    with progress_bars(quiet=quiet) as stages:
        mode = None if frame is None else FramingMode(frame.value)
        rows = run_stoppable(evaluate_clips(chosen, patterns, stages, target, models, mode))
    if json is not None:
        write_json(json, as_json(folder, rows))
    if not quiet:
        Console().print(clips_table(rows))
