"""Creates the orchestrator's service, connected to its backend: three services, or an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from motioncast.inference import Engine
from motioncast.orchestrator.backends import Backends
from motioncast.orchestrator.ensemble_pipeline import EnsemblePipeline
from motioncast.orchestrator.load import Load
from motioncast.orchestrator.measuring import keep_measured
from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.orchestrator.pipeline import Pipeline
from motioncast.orchestrator.service import MotionTransferServicer
from motioncast.orchestrator.services_pipeline import ServicesPipeline
from motioncast.orchestrator.settings import OrchestratorSettings, ServiceAddresses
from motioncast.replicas.metrics import ReplicaMetrics
from motioncast.serving import MAX_QUESTION_BYTES, Metrics, Registration
from motioncast.serving.beside import beside
from motioncast.v1 import motion_transfer_pb2
from motioncast.v1.motion_transfer_pb2_grpc import add_MotionTransferServiceServicer_to_server


@asynccontextmanager
async def registration(
    behind: ServiceAddresses | Engine,
    settings: OrchestratorSettings,
    metrics: Metrics,
    *,
    default_model: str | None = None,
) -> AsyncIterator[Registration]:
    """Yields the service to register, connected to its backend; leaving disconnects.

    The server that registers it should admit more calls than `settings.max_sessions`: one session
    too many is then refused here, immediately and with a reason, instead of waiting in a queue for
    hours.

    Args:
        behind: Addresses of the three services; or an open engine whose ensembles are run instead.
        settings: The service's limits.
        metrics: Where everything is counted.
        default_model: With an engine, the configuration of sessions that name none; None selects
            the shipped one, or the first in alphabetical order. Services have their own default.

    Raises:
        InvalidInputError: The engine has no configuration, or one that lacks an ensemble.
        UnknownModelError: The engine has no model with the default's name.
    """
    async with AsyncExitStack() as exits:
        pipeline: Pipeline
        if isinstance(behind, ServiceAddresses):
            backends = Backends(
                behind,
                settings.call_timeout_seconds,
                ReplicaMetrics(metrics.registry),
                settings.slow_seconds,
            )
            pipeline = ServicesPipeline(await exits.enter_async_context(backends))
        else:
            pipeline = EnsemblePipeline(
                behind, default_model, settings.call_timeout_seconds, metrics.registry
            )
        counted = OrchestratorMetrics(metrics.registry)
        load = Load(settings, counted)
        datagrams = None
        if settings.datagrams is not None:
            from motioncast.orchestrator.datagrams import DatagramDoor  # late: QUIC loads slowly

            datagrams = await exits.enter_async_context(DatagramDoor(settings.datagrams))
        servicer = MotionTransferServicer(pipeline, settings, counted, load, datagrams)
        if settings.latency_target_seconds is not None:
            await exits.enter_async_context(beside(keep_measured(pipeline, load)))
        yield Registration(
            name=motion_transfer_pb2.DESCRIPTOR.services_by_name["MotionTransferService"].full_name,
            add=partial(add_MotionTransferServiceServicer_to_server, servicer),
            ready=pipeline.ready,
            unlimited_methods=frozenset({"GetServerInfo"}),
            max_request_bytes=dict.fromkeys(
                ("GetServerInfo", "GetCodecTables"), MAX_QUESTION_BYTES
            ),
            calls_per_second=settings.calls_per_second,
            udp_port=None if datagrams is None else datagrams.port,
        )
