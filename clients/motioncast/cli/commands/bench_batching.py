"""`motioncast bench-batching`: the gain or cost of dynamic batching on Triton."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench_batching(
    delays: Annotated[
        list[int],
        typer.Option(
            "--delay", help="Microseconds that a call may wait for a batch; may be repeated."
        ),
    ] = [0, 500, 2000],  # noqa: B006  # read by typer and never modified
    callers: Annotated[
        list[int], typer.Option(metavar="N", help="Number of concurrent callers; may be repeated.")
    ] = [1, 4, 16],  # noqa: B006  # never modified
    calls: Annotated[
        int, typer.Option(help="Calls per measurement, divided among its callers.")
    ] = 48,
    rounds: Annotated[
        int, typer.Option(help="Number of measurements; the median is reported.")
    ] = 3,
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
    """Measure every model on embedded Tritons: without dynamic batching, and with each delay."""
    from rich.console import Console

    from motioncast.bench import batching
    from motioncast.bench.tables import batching_table
    from motioncast.cli.before import check_json
    from motioncast.cli.output import write_json
    from motioncast.cli.progress import progress_bars
    from motioncast.cli.stoppable import run_stoppable

    check_json(json)
    settings = batching.BatchingSettings(
        delays=(None, *delays),
        callers=tuple(callers),
        calls=calls,
        rounds=rounds,
        repository=models,
        model=model,
    )
    with progress_bars(quiet=quiet) as stages:
        result = run_stoppable(batching.bench_batching(settings, stages))
    if json is not None:
        write_json(json, result.as_json())
    Console().print(batching_table(result))
