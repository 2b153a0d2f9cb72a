"""`motioncast bench-transport`: messages versus shared memory, for a local model server."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

MAX_BYTES: Final = 2**26


class EngineName(StrEnum):
    """The server that runs the model."""

    INPROCESS = "inprocess"
    TRITON = "triton"


def bench_transport(
    engine: Annotated[
        EngineName,
        typer.Option(
            help="Server to measure. inprocess: `motioncast serve models`; triton: a real Triton."
        ),
    ] = EngineName.INPROCESS,
    sizes: Annotated[
        list[int],
        typer.Option(
            "--size",
            min=1,
            max=MAX_BYTES,
            metavar="BYTES",
            help="Size of the input tensor; may be repeated.",
        ),
    ] = [1_000, 49_152, 196_608, 786_432, 3_145_728],  # noqa: B006  # never modified
    calls: Annotated[
        int, typer.Option(min=1, help="Number of calls for each size and transport.")
    ] = 200,
    json: Annotated[
        Path | None, typer.Option(help="Also write the result to this JSON file.")
    ] = None,
) -> None:
    """Measure the round trip of tensors to a model server on this machine."""
    from rich.console import Console

    from motioncast.bench import transport
    from motioncast.bench.tables import transport_table
    from motioncast.cli.before import check_json
    from motioncast.cli.output import write_json
    from motioncast.cli.stoppable import run_stoppable

    check_json(json)
    result = run_stoppable(transport.bench_transport(engine.value, sizes, calls))
    if json is not None:
        write_json(json, result.as_json())
    Console().print(transport_table(result))
