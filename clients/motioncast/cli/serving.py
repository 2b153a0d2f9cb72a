"""The services as processes: which ports, which limits, and one line for each when it listens."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from motioncast import orchestrator
from motioncast.inference import (
    Engine,
    OnnxRuntimeEngine,
    OnnxRuntimeSettings,
    Provider,
    default_repository,
)
from motioncast.local import LocalServices, LocalSettings, Pipeline, Ports
from motioncast.local.services import INTERNAL_MESSAGE_BYTES
from motioncast.orchestrator import OrchestratorSettings, ServiceAddresses
from motioncast.serving import Metrics, Registration, Server, ServerSettings, wait_for_signal
from motioncast.wire.addresses import join_address
from motioncast.wire.errors import InvalidInputError

if TYPE_CHECKING:
    from motioncast.inference.kserve import KServeSettings
    from motioncast.triton import TritonSettings

LOCAL: Final = "127.0.0.1"
SECRET_VARIABLE: Final = "MOTIONCAST_TRITON_SECRET"  # of those who control bare models
SERVICES: Final = ("orchestrator", "keypoint", "predictor", "synthesis")
_IN_ORDER_OF_PORTS: Final = (*SERVICES, "models")
FIRST_PORT: Final = 50050
FIRST_HTTP_PORT: Final = 8050


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; a port of 0 takes a free one, None the service's own."""

    host: str
    port: int | None
    http_port: int | None

    def of_one(self, service: str) -> Ports:
        """Returns the ports of a service that is alone."""
        place = _IN_ORDER_OF_PORTS.index(service)
        return Ports(
            FIRST_PORT + place if self.port is None else self.port,
            FIRST_HTTP_PORT + place if self.http_port is None else self.http_port,
        )

    def of_all(self) -> dict[str, Ports]:
        """Returns the ports of four services and a model server: neighbours in that order."""
        first, http = self.of_one(SERVICES[0]).grpc, self.of_one(SERVICES[0]).http or 0
        return {
            service: Ports(first and first + place, http and http + place)
            for place, service in enumerate(_IN_ORDER_OF_PORTS)
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted."""

    max_sessions: int
    max_message_bytes: int  # at the orchestrator's door
    max_concurrent_calls: int
    max_queued_calls: int
    drain_grace_seconds: float
    max_sessions_per_peer: int | None = None  # None: a quarter of all
    silence_seconds: float = 10.0  # after which a session ends whose client says nothing

    @property
    def orchestrator(self) -> OrchestratorSettings:
        """The orchestrator's part of them."""
        return OrchestratorSettings(
            max_sessions=self.max_sessions,
            max_sessions_per_peer=self.max_sessions_per_peer,
            max_message_bytes=self.max_message_bytes,
        )


@dataclass(frozen=True, slots=True)
class Models:
    """What is served."""

    repository: Path | None = None  # None: the shipped one
    default: str | None = None  # for calls that name none; None: the first
    threads: int | None = None  # of one inference; None: one per core
    max_runs: int | None = None  # inferences at once; None: one per core
    server: KServeSettings | None = None  # that runs the models; None: this process does
    embedded: bool = False  # in a Triton of our own instead of this process
    provider: Provider | None = None  # of this process; None: the processor

    def __post_init__(self) -> None:
        if self.server is not None and self.embedded:
            raise InvalidInputError.of(
                "engine", f"either Triton is started here, or {self.server.address} runs the models"
            )
        here = {"threads": self.threads, "max_runs": self.max_runs, "provider": self.provider}
        if self.server is not None:
            who = f"the model server at {self.server.address} decides about that"
            self._refuse(who, models=self.repository, **here)
        elif self.embedded:
            self._refuse("the models' config.pbtxt decides about that on Triton", **here)

    def _refuse(self, reason: str, **options: object) -> None:
        for option, value in options.items():
            if value is not None:
                raise InvalidInputError.of(option.replace("_", "-"), reason)

    @property
    def engine(self) -> OnnxRuntimeSettings:
        """How inferences share the machine when this process runs them."""
        default = OnnxRuntimeSettings()
        return OnnxRuntimeSettings(
            intra_op_threads=default.intra_op_threads if self.threads is None else self.threads,
            max_concurrent_runs=(
                default.max_concurrent_runs if self.max_runs is None else self.max_runs
            ),
            provider=self.provider or default.provider,
        )

    def triton(self, drain_seconds: float, host: str, ports: Ports) -> TritonSettings:
        """Returns how a Triton of our own is to serve the models."""
        from motioncast.triton import TritonSettings

        return TritonSettings(
            self.repository or default_repository(),
            host=host,
            port=ports.grpc,
            metrics_port=ports.http or 0,
            secret=os.environ.get(SECRET_VARIABLE) or None,
            drain_seconds=drain_seconds,
        )

    def runner(self, drain_seconds: float) -> Engine:
        """Returns the engine that runs the models, not open yet.

        Args:
            drain_seconds: That what runs on a Triton of our own has to end.
        """
        if self.embedded:
            from motioncast.triton import TritonEngine

            return TritonEngine(self.triton(drain_seconds, LOCAL, Ports()))
        if self.server is None:
            return self.local_runner()
        from motioncast.inference.kserve import KServeEngine  # late: its imports take a while

        return KServeEngine(self.server)

    def local_runner(self) -> OnnxRuntimeEngine:
        """Returns the engine that runs the models in this process, not open yet.

        Raises:
            InvalidInputError: A server is to run them.
        """
        if self.server is not None:
            raise InvalidInputError.of("triton-url", "bare models are served where they run")
        return OnnxRuntimeEngine(self.repository or default_repository(), self.engine)


async def serve_all(
    listen: Listen, models: Models, limits: Limits, pipeline: Pipeline = "services"
) -> signal.Signals:
    """Serves all services on one engine until a signal comes, and returns that."""
    ports = listen.of_all()
    settings = LocalSettings(
        default_model=models.default,
        host=listen.host,
        orchestrator_ports=ports["orchestrator"],
        keypoint_ports=ports["keypoint"],
        predictor_ports=ports["predictor"],
        synthesis_ports=ports["synthesis"],
        models_ports=ports["models"],
        pipeline=pipeline,
        drain_grace_seconds=limits.drain_grace_seconds,
        silence_seconds=limits.silence_seconds,
        orchestrator=limits.orchestrator,
    )
    engine = models.runner(limits.drain_grace_seconds)
    async with engine, LocalServices(settings, engine) as local:
        names = (name for name in _IN_ORDER_OF_PORTS if name in local.servers)
        _announce({name: local.servers[name] for name in names})
        return await wait_for_signal()


async def serve_one(
    service: str,
    listen: Listen,
    addresses: ServiceAddresses,
    models: Models,
    limits: Limits,
    pipeline: Pipeline = "services",
) -> signal.Signals:
    """Serves one service until a signal comes, and returns that.

    Args:
        service: Its name.
        listen: Where.
        addresses: Where the orchestrator finds the other three.
        models: What is served; the orchestrator has none of its own, unless it runs ensembles.
        limits: What is accepted.
        pipeline: What the orchestrator does with a group.
    """
    ports, metrics = listen.of_one(service), Metrics()
    async with AsyncExitStack() as exits:
        registration: Registration
        if service == "orchestrator":
            behind: ServiceAddresses | Engine = addresses
            if pipeline == "ensemble":
                runner = models.runner(limits.drain_grace_seconds)
                behind = await exits.enter_async_context(runner)
            registration = await exits.enter_async_context(
                orchestrator.registration(
                    behind, limits.orchestrator, metrics, default_model=models.default
                )
            )
        elif service == "models":
            local = await exits.enter_async_context(models.local_runner())
            model_server = import_module("motioncast.model_server")
            registration = model_server.registration(
                local, metrics, os.environ.get(SECRET_VARIABLE, "")
            )
        else:
            engine = await exits.enter_async_context(models.runner(limits.drain_grace_seconds))
            registration = import_module(f"motioncast.{service}").registration(
                engine, default_model=models.default, metrics=metrics
            )
        settings = ServerSettings(
            host=listen.host,
            port=ports.grpc,
            http_port=ports.http,
            max_concurrent_calls=limits.max_concurrent_calls,
            max_queued_calls=limits.max_queued_calls,
            max_message_bytes=(
                limits.max_message_bytes if service == "orchestrator" else INTERNAL_MESSAGE_BYTES
            ),
            silence_seconds=limits.silence_seconds,
            drain_grace_seconds=limits.drain_grace_seconds,
        )
        server = await exits.enter_async_context(Server(settings, [registration], metrics))
        _announce({service: server})
        return await wait_for_signal()


async def serve_triton(listen: Listen, models: Models, limits: Limits) -> signal.Signals:
    """Serves the bare models on a Triton of our own until a signal comes, and returns that."""
    from motioncast.triton import EmbeddedTriton

    ports = listen.of_one("models")
    settings = models.triton(limits.drain_grace_seconds, listen.host, ports)
    async with EmbeddedTriton(settings) as triton:
        http = f"http://{join_address(listen.host, triton.metrics_port)}/metrics"
        _tell(f"  {'triton':<13} {triton.address:<22} {http}")
        return await wait_for_signal()


def _announce(servers: dict[str, Server]) -> None:
    lines = []
    for name, server in servers.items():
        http = f"http://{join_address(server.settings.host, server.http_port or 0)}/metrics"
        lines.append(f"  {name:<13} {server.address:<22} {http}")
    _tell(*lines)


def _tell(*lines: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"motioncast {version('motioncast')} listens; Ctrl-C stops it")
    for line in lines:
        console.print(line)
