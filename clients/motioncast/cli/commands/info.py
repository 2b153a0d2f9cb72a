"""`motioncast info`: what a server offers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def info(
    target: Annotated[str, typer.Option(help="HOST:PORT of an orchestrator.")] = "localhost:50050",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for a response.")] = 5.0,
    json: Annotated[
        Path | None, typer.Option(help="Also write the result to this JSON file.")
    ] = None,
) -> None:
    """Show the models and limits of a running server."""
    import dataclasses

    from rich.console import Console

    from motioncast.cli.before import check_json, check_timeout
    from motioncast.cli.door import credentials
    from motioncast.cli.output import write_json
    from motioncast.cli.tables import info_table
    from motioncast.client import connect_sync

    check_timeout(timeout)
    check_json(json)
    with connect_sync(target, timeout=timeout, **credentials()) as service:
        answer = service.server_info(timeout=timeout)
    if json is not None:
        write_json(json, dataclasses.asdict(answer))
    Console().print(info_table(answer, target))
