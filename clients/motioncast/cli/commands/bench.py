"""`motioncast bench`: how much of the models' speed remains at the end of the whole gRPC path."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    streams: Annotated[
        list[int],
        typer.Option(metavar="N", help="Number of concurrent streams to measure; may be repeated."),
    ] = [1, 4, 16],  # noqa: B006  # read by typer and never modified
    observed: Annotated[int, typer.Option(help="Frames sent per group.")] = 5,
    predicted: Annotated[int, typer.Option(help="Frames forecast per group.")] = 5,
    frames: Annotated[
        int, typer.Option(help="Frames per measurement, divided among its streams.")
    ] = 300,
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
    threads: Annotated[
        int | None, typer.Option(help="Threads per inference. Default: one per core.")
    ] = None,
    max_runs: Annotated[
        int | None, typer.Option(help="Concurrent inferences. Default: one per core.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Also write the result to this JSON file.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show progress.")] = False,
) -> None:
    """Measure frames/s through all services, compared with raw model calls for the same frames."""
    from rich.console import Console

    from motioncast.bench.streams import BenchSettings, bench_streams
    from motioncast.bench.tables import bench_tables
    from motioncast.cli.before import check_json
    from motioncast.cli.bundled import bundled_clip
    from motioncast.cli.output import write_json
    from motioncast.cli.progress import progress_bars
    from motioncast.cli.stoppable import run_stoppable
    from motioncast.local.engines import EngineOptions

    check_json(json)
    settings = BenchSettings(
        streams=tuple(streams),
        observed=observed,
        predicted=predicted,
        frames=frames,
        rounds=rounds,
        video=video or bundled_clip(),
        repository=models,
        model=model,
        engine=EngineOptions(threads=threads, max_runs=max_runs).in_process,
    )
    with progress_bars(quiet=quiet) as stages:
        result = run_stoppable(bench_streams(settings, stages))
    if json is not None:
        write_json(json, result.as_json())
    Console().print(bench_tables(result))
