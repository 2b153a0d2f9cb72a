"""All services in one process, over real gRPC, on one engine; the orchestrator includes the relay.

pipeline "services"   orchestrator -> keypoint, predictor, synthesis -> engine
pipeline "ensemble"   orchestrator -> model server -> engine, one call per group
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias

from motioncast import keypoint, orchestrator, predictor, relay, synthesis
from motioncast.inference import (
    Engine,
    OnnxRuntimeEngine,
    OnnxRuntimeSettings,
    default_repository,
)
from motioncast.orchestrator import OrchestratorSettings, ServiceAddresses
from motioncast.relay import RelaySettings
from motioncast.serving import (
    ChannelTls,
    Metrics,
    Registration,
    Server,
    ServerSettings,
    ServerTls,
    TokenSettings,
    wait_for_signal,
)

if TYPE_CHECKING:
    from motioncast.local.inner import InnerTls

INTERNAL_MESSAGE_BYTES: Final = 64 * 1024 * 1024  # behind the orchestrator a group is one message
Pipeline: TypeAlias = Literal["services", "ensemble"]
_CALLS_OF_A_SESSION: Final = 4  # two concurrent stages, a source, a search for faces
_SLOTS_OF_A_RUN: Final = 2  # while one group is computed another is read or written
_SPARE_CALLS: Final = 16  # so that the orchestrator can refuse a session too many, with a reason


@dataclass(frozen=True, slots=True)
class Ports:
    """gRPC and HTTP port of one service; 0 selects a free one, None disables HTTP."""

    grpc: int = 0
    http: int | None = None


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Where the services listen and what they serve."""

    repository: Path | None = None  # model repository; None: the shipped one
    default_model: str | None = None  # for requests that name none; None: the first
    host: str = "127.0.0.1"
    orchestrator_ports: Ports = Ports()  # frozen, so it can be shared
    keypoint_ports: Ports = Ports()
    predictor_ports: Ports = Ports()
    synthesis_ports: Ports = Ports()
    models_ports: Ports = Ports()  # of the model server, if the pipeline needs one
    pipeline: Pipeline = "services"  # how the orchestrator processes groups
    drain_grace_seconds: float = 5.0
    silence_seconds: float = 10.0  # after which the session of a silent client ends
    engine: OnnxRuntimeSettings = field(default_factory=OnnxRuntimeSettings)
    orchestrator: OrchestratorSettings = field(default_factory=OrchestratorSettings)
    relay: RelaySettings = field(default_factory=RelaySettings)  # at the orchestrator's address
    tls: ServerTls | None = None  # of the orchestrator, and of every HTTP port
    tokens: TokenSettings | None = None  # required of the orchestrator's callers
    insecure: bool = False  # allows plain text to other machines


class LocalServices:
    """Serves everything from entering the block until leaving it; the orchestrator drains first.

    Args:
        settings: Where to listen and what to serve.
        engine: An open engine that runs the models, and outlives the services. None creates one in
            this process with the models that the settings name.

    Attributes:
        servers: The four servers by name, each with its address, ports and metrics; a fifth,
            "models", if the orchestrator runs ensembles on the services' own engine.
    """

    def __init__(self, settings: LocalSettings | None = None, engine: Engine | None = None) -> None:
        self.settings = settings or LocalSettings()
        self._engine = engine
        self.servers: dict[str, Server] = {}
        self._exits = AsyncExitStack()
        self._datagram_port: int | None = None
        self._inner: InnerTls | None = None

    @property
    def datagram_port(self) -> int | None:
        """The UDP port of the orchestrator's datagram endpoint; None if it has none."""
        return self._datagram_port

    @property
    def target(self) -> str:
        """The address that clients connect to: the orchestrator's host:port."""
        return self.servers["orchestrator"].address

    @property
    def addresses(self) -> ServiceAddresses:
        """Addresses of the three services behind the orchestrator."""
        return ServiceAddresses(
            keypoint=self.servers["keypoint"].address,
            predictor=self.servers["predictor"].address,
            synthesis=self.servers["synthesis"].address,
            tls=self._inner_channel,
        )

    @property
    def _inner_channel(self) -> ChannelTls | None:
        return None if self._inner is None else self._inner.channel

    async def __aenter__(self) -> Self:
        """Loads the models and starts listening.

        Raises:
            InvalidInputError: The repository has no models, no readable ones, or, if the pipeline
                needs them, no ensembles.
            UnknownModelError: It has no configuration with the default's name.
            UnavailableError: A port is taken.
        """
        async with AsyncExitStack() as exits:
            await self._start(exits)
            self._exits = exits.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._exits.aclose()

    async def wait_for_termination(self) -> None:
        """Returns when the process is asked to stop (SIGTERM or SIGINT); then leave the block."""
        await wait_for_signal()

    async def _start(self, exits: AsyncExitStack) -> None:
        settings = self.settings
        if settings.tls is not None or settings.tokens is not None:
            from motioncast.local.inner import inner_tls  # late: it creates keys

            self._inner = exits.enter_context(inner_tls(settings.host))
        engine = self._engine
        if engine is None:
            repository = settings.repository or default_repository()
            own = OnnxRuntimeEngine(repository, settings.engine)
            opened = await exits.enter_async_context(own)
            engine = opened
        for name, service, ports in (
            ("keypoint", keypoint, settings.keypoint_ports),
            ("predictor", predictor, settings.predictor_ports),
            ("synthesis", synthesis, settings.synthesis_ports),
        ):
            metrics = Metrics(process=False)  # the orchestrator's metrics describe the process
            registered = service.registration(
                engine, default_model=settings.default_model, metrics=metrics
            )
            server = self._server(registered, ports, INTERNAL_MESSAGE_BYTES, metrics)
            self.servers[name] = await exits.enter_async_context(server)
        metrics = Metrics()
        behind: ServiceAddresses | Engine = self.addresses
        if settings.pipeline == "ensemble":
            behind = await self._model_server(engine, exits)
        registered = await exits.enter_async_context(
            orchestrator.registration(
                behind, self._limits(engine), metrics, default_model=settings.default_model
            )
        )
        self._datagram_port = registered.udp_port
        server = self._server(
            registered,
            settings.orchestrator_ports,
            settings.orchestrator.max_message_bytes,
            metrics,
            beside=[relay.registration(settings.relay, metrics)],
            inner=False,
        )
        self.servers["orchestrator"] = await exits.enter_async_context(server)

    def _limits(self, engine: Engine) -> OrchestratorSettings:
        """Returns the orchestrator's limits: the engine determines how many groups run at once."""
        limits = self.settings.orchestrator
        if limits.group_slots is not None or not isinstance(engine, OnnxRuntimeEngine):
            return limits
        slots = _SLOTS_OF_A_RUN * engine.settings.max_concurrent_runs
        return replace(limits, group_slots=slots)

    async def _model_server(self, engine: Engine, exits: AsyncExitStack) -> Engine:
        """Returns an engine that reaches the models over the network.

        The services' own engine is served for that, as in a cluster; any other engine already uses
        a server.
        """
        if not isinstance(engine, OnnxRuntimeEngine):
            return engine
        from motioncast import model_server  # late: its imports are slow
        from motioncast.inference.kserve import KServeEngine, KServeSettings

        metrics = Metrics(process=False)
        secret = secrets.token_urlsafe(
            32
        )  # so that no one else can load or unload the sessions' models
        registered = model_server.registration(engine, metrics, secret)
        ports = self.settings.models_ports
        server = self._server(registered, ports, INTERNAL_MESSAGE_BYTES, metrics)
        self.servers["models"] = await exits.enter_async_context(server)
        tls = self._inner_channel or ChannelTls()
        remote = KServeEngine(
            KServeSettings(
                server.address,
                root_certificates=tls.ca,
                client_certificate=tls.certificate,
                client_key=tls.key,
                secret=secret,
            )
        )
        return await exits.enter_async_context(remote)

    def _server(
        self,
        registration: Registration,
        ports: Ports,
        max_message_bytes: int,
        metrics: Metrics,
        beside: Sequence[Registration] = (),
        *,
        inner: bool = True,
    ) -> Server:
        sessions = self.settings.orchestrator.max_sessions
        return Server(
            ServerSettings(
                host=self.settings.host,
                port=ports.grpc,
                http_port=ports.http,
                max_concurrent_calls=sessions + _SPARE_CALLS,
                # Behind the orchestrator a session has at most this many calls on one service. None
                # of them may be refused: calls of an admitted session wait instead.
                max_queued_calls=_CALLS_OF_A_SESSION * sessions,
                max_message_bytes=max_message_bytes,
                silence_seconds=self.settings.silence_seconds,
                drain_grace_seconds=self.settings.drain_grace_seconds,
                tls=self.settings.tls,
                inner_tls=self._inner.server if inner and self._inner is not None else None,
                tokens=None if inner else self.settings.tokens,
                insecure=self.settings.insecure,
            ),
            [registration, *beside],
            metrics,
        )
