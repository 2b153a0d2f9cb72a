"""`motioncast bench-transport`: messages and shared memory, to a model server on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motioncast.cli.commands.engines import EngineName


def bench_transport(
    engine: Annotated[
        EngineName, typer.Option(help="inprocess: `motioncast serve models`; triton: the real one.")
    ] = EngineName.INPROCESS,
    sizes: Annotated[
        list[int], typer.Option("--size", help="Bytes of the input; may be given several times.")
    ] = [1_000, 49_152, 196_608, 786_432, 3_145_728],  # noqa: B006  # nobody writes it
    calls: Annotated[int, typer.Option(min=1, help="Calls of each size and way.")] = 200,
    json: Annotated[Path | None, typer.Option(help="Write the result here too.")] = None,
) -> None:
    """Measure how long tensors take to a model server on this machine, and back."""
    import asyncio

    from rich.console import Console
    from rich.table import Table

    from motioncast.cli.bench_transport import bench_transport
    from motioncast.cli.output import write_json

    result = asyncio.run(bench_transport(engine.value, sizes, calls))
    if json is not None:
        write_json(json, result.as_json())
    table = Table("bytes in, and out", "message, ms", "shared memory, ms", title=result.engine)
    table.caption = "median of the calls, in brackets the quickest"
    for row in result.rows:
        table.add_row(
            f"{row.size:,}",
            f"{row.message_ms:.2f} ({row.least_message_ms:.2f})",
            f"{row.shared_ms:.2f} ({row.least_shared_ms:.2f})",
        )
    Console().print(table)
