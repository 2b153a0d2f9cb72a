"""`motioncast bench-pipelines`: three service calls per group, compared with one ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench_pipelines(
    engines: Annotated[
        list[str],
        typer.Option(
            "--engine",
            metavar="ENGINE",
            help="Engine to measure, inprocess or triton; may be repeated.",
        ),
    ] = ["inprocess", "triton"],  # noqa: B006  # never modified
    streams: Annotated[
        list[int],
        typer.Option(metavar="N", help="Number of concurrent streams to measure; may be repeated."),
    ] = [1, 4, 16],  # noqa: B006  # never modified
    observed: Annotated[int, typer.Option(help="Frames sent per group.")] = 5,
    predicted: Annotated[int, typer.Option(help="Frames forecast per group.")] = 5,
    frames: Annotated[
        int, typer.Option(help="Frames per measurement, divided among its streams.")
    ] = 200,
    rounds: Annotated[
        int, typer.Option(help="Number of measurements; the median is reported.")
    ] = 3,
    video: Annotated[
        Path | None, typer.Option(help="Video that the streams send. Default: the bundled clip.")
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(help="Folder of the model repository. Default: the shipped models."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of the model configuration. Default: the first one.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Also write the result to this JSON file.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show progress.")] = False,
) -> None:
    """Measure frames/s and latency with services and with ensembles, on each engine, in turns."""
    from rich.console import Console

    from motioncast.bench import pipelines
    from motioncast.bench.tables import pipelines_table
    from motioncast.cli.before import check_json
    from motioncast.cli.bundled import bundled_clip
    from motioncast.cli.output import write_json
    from motioncast.cli.progress import progress_bars
    from motioncast.cli.stoppable import run_stoppable

    check_json(json)
    settings = pipelines.PipelinesSettings(
        engines=tuple(dict.fromkeys(engines)),
        streams=tuple(streams),
        observed=observed,
        predicted=predicted,
        frames=frames,
        rounds=rounds,
        video=video or bundled_clip(),
        repository=models,
        model=model,
    )
    with progress_bars(quiet=quiet) as stages:
        result = run_stoppable(pipelines.bench_pipelines(settings, stages))
    if json is not None:
        write_json(json, result.as_json())
    Console().print(pipelines_table(result))
