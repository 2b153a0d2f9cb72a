"""MotionTransferService: the whole system as one bidirectional call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager, contextmanager
from functools import partial
from importlib.metadata import version

from motioncast.inference import Engine
from motioncast.orchestrator import door
from motioncast.orchestrator.accounting import Accounting, Received, VideoSize
from motioncast.orchestrator.backends import Backends
from motioncast.orchestrator.configuration import decode_config, encode_config, find_model
from motioncast.orchestrator.ensemble_pipeline import EnsemblePipeline
from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.orchestrator.pipeline import Pipeline
from motioncast.orchestrator.seats import Seat, Seats
from motioncast.orchestrator.services_pipeline import ServicesPipeline
from motioncast.orchestrator.session import Session
from motioncast.orchestrator.settings import OrchestratorSettings, ServiceAddresses
from motioncast.serving import (
    MAX_QUESTION_BYTES,
    Context,
    Deadline,
    Metrics,
    Registration,
    caller,
    patience,
)
from motioncast.sources import MAX_SOURCES
from motioncast.timeline.pattern import MAX_GROUP_FRAMES
from motioncast.tracing import tell
from motioncast.v1 import motion_transfer_pb2
from motioncast.v1.motion_transfer_pb2 import (
    GetCodecTablesRequest,
    GetCodecTablesResponse,
    GetServerInfoRequest,
    GetServerInfoResponse,
    StreamRequest,
    StreamResponse,
)
from motioncast.v1.motion_transfer_pb2_grpc import (
    MotionTransferServiceServicer,
    add_MotionTransferServiceServicer_to_server,
)
from motioncast.wire.codec import encode_tables
from motioncast.wire.errors import ExhaustedError


@asynccontextmanager
async def registration(
    behind: ServiceAddresses | Engine,
    settings: OrchestratorSettings,
    metrics: Metrics,
    *,
    default_model: str | None = None,
) -> AsyncIterator[Registration]:
    """Yields the service to register, connected to what is behind it; leaving disconnects.

    The server that takes it should admit more calls than `settings.max_sessions`: a session too
    many is then refused here, at once and in words, instead of waiting for hours in a queue.

    Args:
        behind: Where the three services are; or an open engine, whose ensembles are run instead.
        settings: Its limits.
        metrics: Where everything is counted.
        default_model: With an engine, the configuration of sessions that name none; None takes
            the shipped one, or the first in alphabetical order. Services have their own.

    Raises:
        InvalidInputError: The engine has no configuration, or one that lacks an ensemble.
        UnknownModelError: The engine offers nothing of the default's name.
    """
    async with AsyncExitStack() as exits:
        pipeline: Pipeline
        if isinstance(behind, ServiceAddresses):
            backends = Backends(behind, settings.call_timeout_seconds)
            pipeline = ServicesPipeline(await exits.enter_async_context(backends))
        else:
            pipeline = EnsemblePipeline(
                behind, default_model, settings.call_timeout_seconds, metrics.registry
            )
        servicer = MotionTransferServicer(pipeline, settings, OrchestratorMetrics(metrics.registry))
        yield Registration(
            name=motion_transfer_pb2.DESCRIPTOR.services_by_name["MotionTransferService"].full_name,
            add=partial(add_MotionTransferServiceServicer_to_server, servicer),
            ready=pipeline.ready,
            unlimited_methods=frozenset({"GetServerInfo"}),
            max_request_bytes=dict.fromkeys(
                ("GetServerInfo", "GetCodecTables"), MAX_QUESTION_BYTES
            ),
            calls_per_second=settings.calls_per_second,
        )


class MotionTransferServicer(MotionTransferServiceServicer):
    """Serves sessions; many at once, none knows of another."""

    def __init__(
        self, pipeline: Pipeline, settings: OrchestratorSettings, metrics: OrchestratorMetrics
    ) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._metrics = metrics
        self._seats = Seats(settings)
        metrics.sessions_limit.set(settings.max_sessions)

    async def Stream(
        self, request_iterator: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncGenerator[StreamResponse, None]:
        with self._seat(caller(context)) as seat:
            serving = self._serve(request_iterator, Deadline.of(context), seat)
            async with aclosing(serving) as responses:
                async for response in responses:
                    yield response

    async def GetServerInfo(
        self, request: GetServerInfoRequest, context: Context
    ) -> GetServerInfoResponse:
        return GetServerInfoResponse(
            version=version("motioncast"),
            models=(await self._pipeline.list_models(Deadline.of(context))).models,
            max_group_frames=MAX_GROUP_FRAMES,
            max_message_bytes=self._settings.max_message_bytes,
            max_sessions=self._settings.max_sessions,
            max_sources=MAX_SOURCES,
        )

    async def GetCodecTables(
        self, request: GetCodecTablesRequest, context: Context
    ) -> GetCodecTablesResponse:
        deadline = Deadline.of(context)
        model = find_model(request.model, await self._pipeline.list_models(deadline), "model")
        if not model.codec_tables:
            return GetCodecTablesResponse(tables=encode_tables(model.name, None))
        codec = await self._pipeline.codec_tables(model, deadline)
        return GetCodecTablesResponse(tables=encode_tables(model.name, codec))

    @contextmanager
    def _seat(self, peer: str) -> Iterator[Seat]:
        with ExitStack() as exits:
            try:
                seat = exits.enter_context(self._seats.seat(peer))
            except ExhaustedError:
                self._metrics.sessions_refused.inc()
                raise
            self._metrics.sessions_admitted.inc()
            self._metrics.sessions.inc()
            try:
                yield seat
            finally:
                self._metrics.sessions.dec()

    async def _serve(
        self, requests: AsyncIterator[StreamRequest], deadline: Deadline, seat: Seat
    ) -> AsyncGenerator[StreamResponse, None]:
        wanted = await door.read_config(requests)
        config = decode_config(wanted.config, await self._pipeline.list_models(deadline))
        model = config.model
        tell(
            {
                "motioncast.model.name": model.name,
                "motioncast.pattern": f"{config.pattern.observed}:{config.pattern.predicted}",
                "motioncast.frame_rate": config.frame_rate,
            }
        )
        codec = await self._pipeline.codec_tables(model, deadline) if config.coded else None
        patience().wait_longer(config.pattern.predicted / config.frame_rate)
        accounting = Accounting(
            VideoSize(model.height * model.width * 3, config.frame_rate), self._metrics
        )
        accounting.count_received(Received("config", wanted.ByteSize()))
        yield StreamResponse(config=encode_config(config))
        session = Session(
            config,
            self._pipeline,
            deadline,
            self._settings.merge_frames,
            accounting,
            seat,
            codec.tables if codec else None,
        )
        async with aclosing(session.run(requests)) as responses:
            async for response in responses:
                yield response
