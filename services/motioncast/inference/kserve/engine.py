"""An engine whose models run on a server: Triton, or another one that speaks KServe v2.

Several servers with the same models are replicas, and a run goes to one that responds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Self, TypeVar

import grpc.aio
from prometheus_client import CollectorRegistry
from tritonclient.grpc import service_pb2

from motioncast.inference.engine import Array, Inference, ModelMetadata
from motioncast.inference.kserve.errors import RETRY_AFTER_SECONDS
from motioncast.inference.kserve.judging import RUNS, is_passing
from motioncast.inference.kserve.link import QUESTION_SECONDS, Link
from motioncast.inference.kserve.remote import RemoteModel, describe
from motioncast.inference.kserve.settings import KServeSettings
from motioncast.replicas.addresses import LOOK_SECONDS, listed, named, resolved
from motioncast.replicas.metrics import ReplicaMetrics
from motioncast.replicas.pool import Replicas
from motioncast.wire.errors import (
    DomainError,
    InvalidInputError,
    UnavailableError,
    UnknownModelError,
)

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 0.5


class KServeEngine:
    """Runs the models of servers from entering the block until leaving it.

    `Inference.seconds` is how long the model ran, if the server reports it, as this project's does.
    Triton does not: it is then the duration of the whole call, including the wait for its turn.

    Args:
        settings: How to reach the servers.
        metrics: Where repeated runs and excluded servers are counted.
    """

    def __init__(self, settings: KServeSettings, metrics: ReplicaMetrics | None = None) -> None:
        self.settings = settings
        self._models: dict[str, RemoteModel] = {}  # that could run at some time
        self._ready: frozenset[str] = frozenset()  # as of the last query
        self._offered: frozenset[str] = frozenset()  # the same, including those that cannot run
        self._wanted: frozenset[str] = frozenset()  # ready when the engine was opened
        self._metrics = metrics or ReplicaMetrics(CollectorRegistry())
        self._servers: Replicas[Link] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connects, and reads the inputs and outputs of the servers' models.

        Raises:
            UnavailableError: No server answers within `connect_seconds`.
            InvalidInputError: A certificate file cannot be read.
        """
        address = self.settings.address
        self._servers = servers = Replicas(
            "models",
            await resolved(address) or listed(address),
            lambda target: Link(self.settings, target),
            RUNS,
            self.settings.slow_seconds,
            self._metrics,
        )
        try:
            await self._persist(self._begin, self.settings.connect_seconds)
        except BaseException:
            await self._close()
            raise
        self._wanted = self._ready
        if named(address):
            self._watching = asyncio.create_task(self._watch_name(servers))
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._close()

    async def infer(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        """Runs a model once; see `Engine.infer`.

        If no server responds, has room, or has the model loaded at the moment, the run is retried
        until the caller cancels it, for at most `retry_seconds`.

        Raises:
            ExhaustedError: The inputs or the outputs exceed the limit of a message.
        """
        self._check_open()
        await self._check(model, inputs)

        async def run(link: Link, _: float | None) -> Inference:
            return await link.run(model, inputs)

        kind = model, sum(one.nbytes for one in inputs.values()).bit_length()
        return await self._persist(
            lambda: self._check_open().call(run, _NEVER, kind), self.settings.retry_seconds
        )

    def models(self) -> tuple[str, ...]:
        """Returns the names of the models that could run as of the last query."""
        return tuple(sorted(self._ready))

    def offered(self) -> tuple[str, ...]:
        """Returns the names of all models of the server as of the last query."""
        return tuple(sorted(self._offered | self._ready))

    def metadata(self, model: str) -> ModelMetadata:
        """Returns a model's inputs and outputs; see `Engine.metadata`."""
        if model not in self._ready:
            raise self._unknown(model)
        return self._models[model].metadata

    async def ready(self) -> bool:
        """Returns whether some server can run each model that could run when this was opened."""
        if self._servers is None:
            return False
        try:
            ready = await self._index()
            if not self._wanted <= ready:  # that server is being repaired; ask all of them
                ready = await self._indices(self._servers)
        except DomainError:
            return False
        self._ready &= ready
        for model in ready - self._ready:
            with suppress(DomainError):  # the others are still served
                await self._learn(model)
        return self._wanted <= ready

    async def _begin(self) -> None:
        """Reads the models of a server that is ready, or that has models that are."""
        answer = await self._ask("ServerReady", service_pb2.ServerReadyRequest())
        ready = await self._index()
        if not ready and not answer.ready:
            raise UnavailableError(
                f"the model server at {self.settings.address} is not ready",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        for model in ready:
            try:
                await self._learn(model)
            except InvalidInputError as error:
                _log.error("the model %s cannot be used: %s", model, error)

    async def _index(self) -> frozenset[str]:
        """Returns the names of the models that can run on the next server in turn."""
        index = await self._ask("RepositoryIndex", service_pb2.RepositoryIndexRequest())
        self._offered = frozenset(model.name for model in index.models)
        return _ready_models(index)

    async def _indices(self, servers: Replicas[Link]) -> frozenset[str]:
        """Returns the names of the models that can run on any server."""
        indices = await servers.ask_all(
            lambda link, _: link.ask("RepositoryIndex", service_pb2.RepositoryIndexRequest()),
            QUESTION_SECONDS,
        )
        return frozenset().union(*map(_ready_models, indices))

    async def _learn(self, model: str, *, known: bool = True) -> None:
        """Reads a model's inputs and outputs.

        Args:
            model: Its name.
            known: Whether a server has it: one that denies it may be loading it.
        """
        metadata = await self._ask(
            "ModelMetadata", service_pb2.ModelMetadataRequest(name=model), model, known=known
        )
        config = await self._ask(
            "ModelConfig", service_pb2.ModelConfigRequest(name=model), model, known=known
        )
        self._models[model] = describe(metadata, config.config)
        self._ready |= {model}

    async def _check(self, model: str, inputs: Mapping[str, Array]) -> None:
        """Checks a run's inputs; before refusing, rereads the metadata: it may be new."""
        known = self._models.get(model)
        if known is not None:
            try:
                known.check(inputs)
                return
            except InvalidInputError:
                pass
        await self._persist(
            lambda: self._learn(model, known=known is not None),
            self.settings.retry_seconds if known else 0.0,
        )
        self._models[model].check(inputs)

    async def _ask(self, method: str, request: Any, model: str = "", *, known: bool = False) -> Any:
        async def ask(link: Link, _: float | None) -> Any:
            return await link.ask(method, request, model, known=known)

        return await self._check_open().call(ask, _NEVER)

    async def _persist(self, attempt: Callable[[], Awaitable[Result]], seconds: float) -> Result:
        """Returns the result of the first attempt that finds a server within the time."""
        until, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await attempt()
            except DomainError as failure:
                if not is_passing(failure):
                    raise
                if time.monotonic() + pause > until:
                    cause = failure.__cause__
                    details = cause.details() if isinstance(cause, grpc.aio.AioRpcError) else ""
                    _log.warning("%s: %s", failure, details)
                    raise
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if (
                    task is not None and not task.cancelling()
                ):  # not cancelled by the caller, but by closing
                    raise UnavailableError("engine: closed before the run ended") from None
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _watch_name(self, servers: Replicas[Link]) -> None:
        """Tracks the servers that the name resolves to; an empty result changes nothing."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            found = await resolved(self.settings.address)
            if found is not None and found != servers.addresses:
                servers.use(found)

    def _check_open(self) -> Replicas[Link]:
        if self._servers is None:
            raise UnavailableError("engine: not open")
        return self._servers

    def _unknown(self, model: str) -> UnknownModelError:
        known = ", ".join(self.models()) or "none"
        return UnknownModelError(
            f"model: {model} is not served by the model server at {self.settings.address}; "
            f"available: {known}",
            field="model",
        )

    async def _close(self) -> None:
        servers, self._servers = self._servers, None
        if self._watching is not None:
            self._watching.cancel()
        if servers is not None:
            await servers.close()
        self._models, self._ready = {}, frozenset()


class _Never:
    """The deadline of a run that is ended by cancelling it."""

    def remaining_seconds(self) -> None:
        return None


_NEVER: Final = _Never()


def _ready_models(index: Any) -> frozenset[str]:
    return frozenset(model.name for model in index.models if model.state == "READY")
