"""The service that a command uses: a running one, or one started in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from motioncast.cli.door import credentials
from motioncast.cli.failures import CommandError
from motioncast.client import Model, ServerInfo, Service, connect

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0  # for a request that costs the server nothing


@asynccontextmanager
async def open_service(
    target: str | None,
    models: Path | None,
    timeout: float | None = None,
    *,
    datagrams: bool = False,
) -> AsyncIterator[Service]:
    """Connects to the orchestrator at `target`; None starts all services in this process.

    With `datagrams` those accept datagrams.
    Connecting takes at most `timeout` seconds, and never more than CONNECT_SECONDS.
    """
    if target is not None:
        patience = CONNECT_SECONDS if timeout is None else min(timeout, CONNECT_SECONDS)
        async with connect(target, timeout=patience, **credentials()) as service:
            yield service
        return
    from motioncast.local import LocalServices, LocalSettings  # needs the [serve] extra
    from motioncast.orchestrator import DatagramSettings, OrchestratorSettings

    orchestrator = OrchestratorSettings(datagrams=DatagramSettings() if datagrams else None)
    settings = LocalSettings(repository=models, orchestrator=orchestrator)
    async with LocalServices(settings) as local, connect(local.target) as service:
        yield service


def square_model(info: ServerInfo, name: str | None) -> Model:
    """Returns the model that a server serves under a name, its default for None.

    Raises:
        CommandError: It is not served, or its images are not square.
    """
    named = [model for model in info.models if name in (None, model.name)]
    if not named:
        served = ", ".join(model.name for model in info.models)
        raise CommandError(f"model: {name!r} is not served (expected one of {served})")
    model = named[0]
    if model.width != model.height:
        size = f"{model.width} x {model.height}"
        raise CommandError(
            f"model: {model.name} takes {size} pixels, but only square models are supported"
        )
    return model
