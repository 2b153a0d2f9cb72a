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
            metavar="M:N", help="Pattern; give it once for each. Default: 1:0, 1:1 and 5:5."
        ),
    ] = None,
    clips: Annotated[
        int | None, typer.Option(help="Only that many clips, spread over the folder.", min=1)
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of an orchestrator. Default: all in this process."),
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Model repository. Default: the shipped one.")
    ] = None,
    frame: Annotated[
        Framing | None,
        typer.Option(help="Frame the face. Default: as the model would have it."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures here too.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
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
