"""`motioncast bench-pipelines`: three service calls per group, compared with one ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench_pipelines(
    engines: Annotated[
        list[str],
        typer.Option(
            "--engine", metavar="ENGINE", help="May be given twice. Default: inprocess and triton."
        ),
    ] = ["inprocess", "triton"],  # noqa: B006  # never modified
    streams: Annotated[
        list[int],
        typer.Option(
            metavar="N", help="Concurrent streams to measure; may be given several times."
        ),
    ] = [1, 4, 16],  # noqa: B006  # never modified
    observed: Annotated[int, typer.Option(help="Frames sent in each group.")] = 5,
    predicted: Annotated[int, typer.Option(help="Frames forecast in each group.")] = 5,
    frames: Annotated[
        int, typer.Option(help="Frames of one measurement, shared among its streams.")
    ] = 200,
    rounds: Annotated[int, typer.Option(help="Measurements; the median is reported.")] = 3,
    video: Annotated[
        Path | None, typer.Option(help="What the streams send. Default: the bundled clip.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Model repository. Default: the shipped one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model configuration. Default: the first.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the result here too.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
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
