"""Runs the services as processes: ports, limits, and a line for each service when it listens."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from typing import Final

from rich.console import Console

from motioncast import orchestrator, relay
from motioncast.cli.datagram_settings import Datagrams
from motioncast.cli.locks import channel_of, tls_of, tokens_of
from motioncast.cli.model_settings import PrecisionName, ProviderName
from motioncast.cli.serve_settings import Listen, ServeSettings
from motioncast.cli.session_settings import PipelineName
from motioncast.inference import Engine, Provider
from motioncast.local import LocalServices, LocalSettings, Ports
from motioncast.local.engines import (
    SECRET_VARIABLE,
    EngineOptions,
    check_options,
    in_process,
    make_engine,
)
from motioncast.local.services import INTERNAL_MESSAGE_BYTES
from motioncast.orchestrator import DatagramSettings, OrchestratorSettings, ServiceAddresses
from motioncast.serving import Metrics, Registration, Server, ServerSettings, wait_for_signal
from motioncast.serving.settings import refuse_plain_text
from motioncast.tracing import TraceSettings
from motioncast.wire.addresses import join_address
from motioncast.wire.errors import InvalidInputError

SERVICES: Final = ("orchestrator", "keypoint", "predictor", "synthesis")
_IN_ORDER_OF_PORTS: Final = (*SERVICES, "models", "relay")
FIRST_PORT: Final = 50050
FIRST_HTTP_PORT: Final = 8050


def ports_of_one(listen: Listen, service: str) -> Ports:
    """Returns the ports of a service that runs alone: those given, or its default ones."""
    place = _IN_ORDER_OF_PORTS.index(service)
    return Ports(
        FIRST_PORT + place if listen.port is None else listen.port,
        FIRST_HTTP_PORT + place if listen.http_port is None else listen.http_port,
    )


def ports_of_all(listen: Listen) -> dict[str, Ports]:
    """Returns the ports of four services and a model server: consecutive, in that order."""
    first = ports_of_one(listen, SERVICES[0])
    http = first.http or 0
    return {
        service: Ports(first.grpc and first.grpc + place, http and http + place)
        for place, service in enumerate(_IN_ORDER_OF_PORTS)
    }


def limits_of(settings: ServeSettings) -> OrchestratorSettings:
    """Returns the orchestrator's limits."""
    return OrchestratorSettings(
        max_sessions=settings.sessions.maximum,
        max_sessions_per_peer=settings.sessions.maximum_per_peer,
        max_message_bytes=settings.sessions.max_message_bytes,
        resume_key=settings.sessions.resume_key,
        group_slots=settings.sessions.group_slots,
        latency_target_seconds=settings.sessions.latency_target or None,
        datagrams=datagrams_of(settings),
    )


def datagrams_of(settings: ServeSettings) -> DatagramSettings | None:
    """Returns where the orchestrator accepts datagrams; None if keypoints only come over gRPC.

    Raises:
        InvalidInputError: A number is out of its range, or other options are given without a port.
    """
    given = settings.datagrams
    if given.port is None:
        if given != Datagrams():
            raise InvalidInputError.of("datagram-port", "required by the other --datagram options")
        return None
    return DatagramSettings(settings.listen.host, given.port, given.public_port, given.wait)


def engine_of(settings: ServeSettings) -> tuple[str, EngineOptions]:
    """Returns the engine that runs the models, and its options.

    Raises:
        InvalidInputError: Options contradict one another.
    """
    engine, triton = settings.engine, settings.triton
    name, server, provider = engine.name, None, None
    if triton.url is not None:
        from motioncast.inference.kserve import KServeSettings

        server = KServeSettings(
            triton.url,
            tls=triton.tls,
            root_certificates=triton.root_certificates,
            client_certificate=triton.client_certificate,
            client_key=triton.client_key,
            secret=os.environ.get(SECRET_VARIABLE, ""),
            token=settings.services.token,
        )
        name = "remote" if name == "inprocess" else name
    if engine.provider is not None or engine.precision is not PrecisionName.FLOAT32:
        provider = Provider((engine.provider or ProviderName.CPU).value, engine.precision.value)
    options = EngineOptions(
        repository=settings.models.repository,
        threads=engine.threads,
        max_runs=engine.max_runs,
        provider=provider,
        server=server,
        drain_seconds=settings.calls.drain_grace,
    )
    check_options(name, options)
    return name, options


def traces_of(settings: ServeSettings, service: str | None) -> TraceSettings:
    """Returns where the traces of a service are sent; None stands for all services in one process.

    Raises:
        InvalidInputError: The address is not a URL, or the share is invalid.
    """
    traces = settings.traces
    return TraceSettings(
        traces.endpoint,
        traces.ratio,
        traces.callers,
        "motioncast" if service is None else f"motioncast-{service}",
    )


async def serve_all(settings: ServeSettings) -> signal.Signals:
    """Serves all services on one engine until a signal arrives, and returns the signal."""
    ports = ports_of_all(settings.listen)
    engine = make_engine(*engine_of(settings))
    local_settings = LocalSettings(
        default_model=settings.models.default,
        host=settings.listen.host,
        orchestrator_ports=ports["orchestrator"],
        keypoint_ports=ports["keypoint"],
        predictor_ports=ports["predictor"],
        synthesis_ports=ports["synthesis"],
        models_ports=ports["models"],
        pipeline=settings.sessions.pipeline.value,
        drain_grace_seconds=settings.calls.drain_grace,
        silence_seconds=settings.sessions.silence,
        orchestrator=limits_of(settings),
        tls=tls_of(settings.ssl),
        tokens=tokens_of(settings),
        insecure=settings.listen.insecure,
    )
    async with engine, LocalServices(local_settings, engine) as local:
        names = (name for name in _IN_ORDER_OF_PORTS if name in local.servers)
        _announce({name: local.servers[name] for name in names}, local.datagram_port)
        return await wait_for_signal()


async def serve_one(service: str, settings: ServeSettings) -> signal.Signals:
    """Serves one service until a signal arrives, and returns the signal."""
    ports, metrics = ports_of_one(settings.listen, service), Metrics()
    async with AsyncExitStack() as exits:
        registration = await _registration(service, settings, metrics, exits)
        server_settings = ServerSettings(
            host=settings.listen.host,
            port=ports.grpc,
            http_port=ports.http,
            max_concurrent_calls=settings.calls.max_concurrent,
            max_queued_calls=settings.calls.max_queued,
            max_message_bytes=(
                settings.sessions.max_message_bytes
                if service == "orchestrator"
                else INTERNAL_MESSAGE_BYTES
            ),
            silence_seconds=settings.sessions.silence,
            drain_grace_seconds=settings.calls.drain_grace,
            tls=tls_of(settings.ssl),
            tokens=tokens_of(settings),
            insecure=settings.listen.insecure,
        )
        server = Server(server_settings, [registration], metrics)
        running = await exits.enter_async_context(server)
        _announce({service: running}, registration.udp_port)
        return await wait_for_signal()


async def serve_triton(settings: ServeSettings) -> signal.Signals:
    """Serves the bare models on our own Triton until a signal arrives, and returns the signal."""
    from motioncast.triton import EmbeddedTriton, TritonTls

    ports, host = ports_of_one(settings.listen, "models"), settings.listen.host
    if tokens_of(settings) is not None:
        raise InvalidInputError.of(
            "engine", "triton cannot check tokens: use --ssl-mode MTLS instead"
        )
    tls, metrics_host = tls_of(settings.ssl), host
    if tls is None and not settings.listen.insecure:
        refuse_plain_text(host)
    if tls is not None and not settings.listen.insecure:
        metrics_host = "127.0.0.1"  # Triton's metrics do not support TLS
    _, options = engine_of(settings)
    served = replace(
        options.triton(host, ports.grpc, ports.http or 0),
        metrics_host=metrics_host,
        tls=None if tls is None else TritonTls(tls.certificate, tls.key, tls.ca, tls.clients),
    )
    async with EmbeddedTriton(served) as triton:
        http = f"http://{join_address(metrics_host, triton.metrics_port)}/metrics"
        _tell(f"  {'triton':<13} {triton.address:<22} {http}")
        return await wait_for_signal()


async def _registration(
    service: str, settings: ServeSettings, metrics: Metrics, exits: AsyncExitStack
) -> Registration:
    """Returns a service's registration; the resources it needs are open until `exits` closes.

    The relay has no models, and the orchestrator has none of its own unless it runs ensembles.
    """
    if service == "relay":
        return relay.registration(relay.RelaySettings(), metrics)
    name, options = engine_of(settings)
    options = replace(options, registry=metrics.registry)
    default_model = settings.models.default
    registration: Registration
    if service == "models":
        if options.server is not None:
            raise InvalidInputError.of(
                "triton-url", "cannot be combined with `serve models`, which runs the models itself"
            )
        engine = await exits.enter_async_context(in_process(options))
        registration = import_module("motioncast.model_server").registration(
            engine, metrics, os.environ.get(SECRET_VARIABLE, "")
        )
    elif service == "orchestrator":
        at = settings.services
        behind: ServiceAddresses | Engine = ServiceAddresses(
            at.keypoint,
            at.predictor,
            at.synthesis,
            channel_of(settings.ssl),
            at.token,
        )
        if settings.sessions.pipeline is PipelineName.ENSEMBLE:
            behind = await exits.enter_async_context(make_engine(name, options))
        registration = await exits.enter_async_context(
            orchestrator.registration(
                behind, limits_of(settings), metrics, default_model=default_model
            )
        )
    else:
        runner = await exits.enter_async_context(make_engine(name, options))
        registration = import_module(f"motioncast.{service}").registration(
            runner, default_model=default_model, metrics=metrics
        )
    return registration


def _announce(servers: dict[str, Server], datagram_port: int | None) -> None:
    lines = []
    for name, server in servers.items():
        scheme = "http" if server.settings.tls is None else "https"
        http = f"{scheme}://{join_address(server.settings.host, server.http_port or 0)}/metrics"
        lines.append(f"  {name:<13} {server.address:<22} {http}")
        if name == "orchestrator" and datagram_port is not None:
            address = join_address(server.settings.host, datagram_port)
            lines.append(f"  {'datagrams':<13} {address:<22} (UDP)")
    _tell(*lines)


def _tell(*lines: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"motioncast {version('motioncast')} is listening; press Ctrl-C to stop it")
    for line in lines:
        console.print(line)
