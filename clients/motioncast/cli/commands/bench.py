"""`motioncast bench`: how much of the models' speed is left behind gRPC."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    streams: Annotated[
        list[int] | None,
        typer.Option(help="Concurrent streams; may be repeated.  [default: 1, 4, 16]"),
    ] = None,
    observed: Annotated[int, typer.Option(help="M, frames sent of every M + N.")] = 5,
    predicted: Annotated[int, typer.Option(help="N, frames forecast of every M + N.")] = 5,
    frames: Annotated[
        int, typer.Option(help="Frames of one measurement, at least 60 for each stream.")
    ] = 300,
    rounds: Annotated[int, typer.Option(help="Measurements of each; the median counts.")] = 3,
    video: Annotated[
        Path | None, typer.Option(help="What the streams send.  [default: the bundled clip]")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Model repository.  [default: the shipped one]")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model configuration.  [default: the first]")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Of one inference.  [default: one per core]")
    ] = None,
    runs: Annotated[
        int | None, typer.Option(help="Inferences at once.  [default: one per core]")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the result here too.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure frames/s through the whole gRPC path and of the raw ONNX Runtime calls.

    All services run in this process, the clients in another one on the same machine.
    """
    from rich.console import Console

    from motioncast.cli.bench import BenchSettings, run_bench
    from motioncast.cli.bench_table import bench_tables
    from motioncast.cli.output import write_json
    from motioncast.cli.progress import progress_bars
    from motioncast.inference import OnnxRuntimeSettings

    default = OnnxRuntimeSettings()
    settings = BenchSettings(
        streams=tuple(streams) if streams else BenchSettings().streams,
        observed=observed,
        predicted=predicted,
        frames=frames,
        rounds=rounds,
        video=video,
        repository=models,
        model=model,
        engine=OnnxRuntimeSettings(
            intra_op_threads=default.intra_op_threads if threads is None else threads,
            max_concurrent_runs=default.max_concurrent_runs if runs is None else runs,
        ),
    )
    with progress_bars(quiet=quiet) as stages:
        result = run_bench(settings, stages)
    if json is not None:
        write_json(json, result.as_json())
    Console().print(bench_tables(result))
