"""The embedded server: started, watched, restarted after a crash, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final, Self

from motioncast.inference.kserve.settings import SECRET_HEADER
from motioncast.triton.control import Control
from motioncast.triton.installation import Installation
from motioncast.triton.ports import take_ports
from motioncast.triton.process import ServerProcess
from motioncast.triton.repository import read_offer
from motioncast.triton.secret import new_secret
from motioncast.triton.settings import TritonSettings
from motioncast.triton.supervisor import Supervisor
from motioncast.wire.addresses import join_address
from motioncast.wire.errors import DomainError, InvalidInputError, UnavailableError

_log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.5  # before the server is restarted; doubled each time
_LONGEST_PAUSE: Final = 30.0


class EmbeddedTriton:
    """Serves a repository over KServe v2 from entering the block until leaving it, which drains.

    A model whose process dies or hangs is reloaded while the others keep serving. A server that
    crashes is restarted on the same ports, so that clients reconnect by themselves; nothing is
    lost, because it keeps no state. Meanwhile `ready` is False.
    """

    def __init__(self, settings: TritonSettings) -> None:
        self.settings = settings
        self.secret = settings.secret or new_secret()  # a restarted server keeps it
        self._ports: dict[str, int] = {}
        self._process: ServerProcess | None = None
        self._supervisor: Supervisor | None = None  # None while there is no server
        self._broken: dict[str, str] = {}

    @property
    def address(self) -> str:
        """The address that clients connect to, host:port."""
        return join_address(self.settings.host, self._ports["port"])

    @property
    def headers(self) -> dict[str, str]:
        """Metadata that a client has to send in order to load models and to share memory."""
        return {SECRET_HEADER: self.secret}

    @property
    def metrics_port(self) -> int:
        """The HTTP port of the server's own /metrics."""
        return self._ports["metrics_port"]

    @property
    def pid(self) -> int | None:
        """Process id of tritonserver; None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def broken(self) -> dict[str, str]:
        """Why models of the repository are not served, by name; empty when all are."""
        return dict(self._broken)

    @property
    def ready(self) -> bool:
        """Whether the server runs and every model that it could load responds."""
        return self._supervisor is not None and not self._supervisor.down

    async def __aenter__(self) -> Self:
        """Starts the server and loads the models; one that cannot be loaded does not stop others.

        Raises:
            InvalidInputError: The repository has no model, or none that can be served.
            UnavailableError: Triton is not installed, a port is taken, or it does not start.
        """
        self._installation = Installation.find()
        self._ports = take_ports(
            self.settings.host, port=self.settings.port, metrics_port=self.settings.metrics_port
        )
        async with contextlib.AsyncExitStack() as exits:
            self._control = await exits.enter_async_context(
                Control(self.address, self.headers, self.settings.tls)
            )
            exits.push_async_callback(self._stop)
            await self._start()
            if set(self._offer.names) <= self._broken.keys():
                name, reason = next(iter(self._broken.items()))
                raise InvalidInputError.of(
                    "repository", f"no model can be served; {name}: {reason}"
                )
            served = len(self._offer.names) - len(self._broken)
            _log.info("Triton serves %d models at %s", served, self.address)
            keeping = asyncio.create_task(self._keep())
            exits.push_async_callback(_cancel, keeping)
            self._exits = exits.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._exits.aclose()

    async def _start(self) -> None:
        """Starts the server and loads the models."""
        offer = read_offer(self.settings.repository)  # there may be new models since the last start
        self._process = process = await ServerProcess.start(
            self._installation, self.settings, self._ports, offer.loadable, self.secret
        )
        supervisor = Supervisor(self._control, process.pid, offer, self.settings)
        ended = asyncio.create_task(process.wait())
        loaded = asyncio.create_task(self._load(supervisor))
        try:
            await asyncio.wait((ended, loaded), return_when=asyncio.FIRST_COMPLETED)
            if not loaded.done():
                raise UnavailableError("engine: tritonserver exited during startup; see the log")
            await loaded
        finally:
            await _cancel(ended)
            await _cancel(loaded)
        self._offer, self._broken = offer, supervisor.broken
        self._supervisor = supervisor

    async def _load(self, supervisor: Supervisor) -> None:
        await self._control.wait_until_live(self.settings.start_seconds)
        await supervisor.look_at_all()

    async def _keep(self) -> None:
        """Watches the models; restarts the server whenever it has ended."""
        while True:
            if self._process is not None and self._supervisor is not None:
                watching = asyncio.create_task(_watch(self._supervisor))
                try:
                    await self._process.wait()
                finally:
                    self._supervisor = None
                    await _cancel(watching)
                _log.error("tritonserver has exited; restarting it")
            await self._start_again()

    async def _start_again(self) -> None:
        pause = _FIRST_PAUSE
        while self._supervisor is None:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                await self._start()
            except DomainError as error:
                _log.error("%s", error)
                await self._stop()
        _log.warning("tritonserver is serving again")

    async def _stop(self) -> None:
        self._supervisor = None
        if self._process is not None:
            await self._process.stop()
            self._process = None


async def _watch(supervisor: Supervisor) -> None:
    while True:
        try:
            await supervisor.run()
        except Exception:
            _log.exception("watching the models failed unexpectedly; continuing")
            await asyncio.sleep(_LONGEST_PAUSE)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
