"""MotionTransferService: the whole system as one bidirectional call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager, contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from motioncast.codec.tables_file import ModelTables
from motioncast.inference import Engine
from motioncast.orchestrator import door
from motioncast.orchestrator.accounting import Accounting, Received, VideoSize
from motioncast.orchestrator.backends import Backends
from motioncast.orchestrator.configuration import (
    SessionConfig,
    decode_config,
    encode_config,
    find_model,
    frame_rate_of,
)
from motioncast.orchestrator.ensemble_pipeline import EnsemblePipeline
from motioncast.orchestrator.load import Load, Work
from motioncast.orchestrator.measuring import keep_measured
from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.orchestrator.pipeline import Pipeline
from motioncast.orchestrator.replicas import ReplicaMetrics
from motioncast.orchestrator.resuming import ResumeKeys, owner_of
from motioncast.orchestrator.resumption import Resumption
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
from motioncast.serving.beside import beside
from motioncast.sources import MAX_SOURCES
from motioncast.timeline.pattern import MAX_GROUP_FRAMES
from motioncast.tracing import tell
from motioncast.v1 import motion_transfer_pb2
from motioncast.v1.motion_transfer_pb2 import (
    GetCodecTablesRequest,
    GetCodecTablesResponse,
    GetServerInfoRequest,
    GetServerInfoResponse,
    StreamConfig,
    StreamRequest,
    StreamResponse,
)
from motioncast.v1.motion_transfer_pb2_grpc import (
    MotionTransferServiceServicer,
    add_MotionTransferServiceServicer_to_server,
)
from motioncast.v1.resume_pb2 import ResumeState
from motioncast.wire.codec import encode_tables
from motioncast.wire.errors import DomainError, ExhaustedError

if TYPE_CHECKING:
    from motioncast.orchestrator.datagrams import DatagramDoor
    from motioncast.orchestrator.two_ways import TwoWays


_VERSION: Final = version("motioncast")  # once: who has no descriptors left answers too


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
            from motioncast.orchestrator.datagrams import DatagramDoor  # late: QUIC takes a while

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


class MotionTransferServicer(MotionTransferServiceServicer):
    """Serves sessions; many at once, none knows of another."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: OrchestratorSettings,
        metrics: OrchestratorMetrics,
        load: Load,
        datagrams: DatagramDoor | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._datagrams = datagrams
        self._load = load
        self._settings = settings
        self._metrics = metrics
        self._seats = Seats(settings)
        self._keys = ResumeKeys.of(settings.resume_key)
        metrics.sessions_limit.set(settings.max_sessions)

    async def Stream(
        self, request_iterator: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncGenerator[StreamResponse, None]:
        peer = caller(context)
        with self._seat(peer) as seat:
            serving = self._serve(request_iterator, Deadline.of(context), seat, owner_of(peer))
            async with aclosing(serving) as responses:
                async for response in responses:
                    yield response

    async def GetServerInfo(
        self, request: GetServerInfoRequest, context: Context
    ) -> GetServerInfoResponse:
        return GetServerInfoResponse(
            version=_VERSION,
            models=(await self._pipeline.list_models(Deadline.of(context))).models,
            max_group_frames=MAX_GROUP_FRAMES,
            max_message_bytes=self._settings.max_message_bytes,
            max_sessions=self._settings.max_sessions,
            max_sources=MAX_SOURCES,
            datagram_port=0 if self._datagrams is None else self._datagrams.public_port,
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
                self._metrics.sessions_refused.labels("places").inc()
                raise
            self._metrics.sessions.inc()
            try:
                yield seat
            finally:
                self._metrics.sessions.dec()

    async def _serve(
        self,
        requests: AsyncIterator[StreamRequest],
        deadline: Deadline,
        seat: Seat,
        owner: bytes,
    ) -> AsyncGenerator[StreamResponse, None]:
        wanted = await door.read_config(requests)
        state = self._read_token(wanted.config)
        named, rate = wanted.config.model, frame_rate_of(wanted.config)
        with self._load.session(
            seat.peer, named, rate, resumed=state is not None, is_silent=seat.is_silent
        ) as work:
            self._metrics.sessions_admitted.inc()

            def resumption(config: SessionConfig) -> Resumption:
                with self._counting_resumes(wanted.config):
                    return Resumption(self._keys, config, owner, state)

            serving = self._session(wanted, requests, deadline, seat, work, resumption)
            async with aclosing(serving) as responses:
                async for response in responses:
                    yield response

    def _read_token(self, config: StreamConfig) -> ResumeState | None:
        if not config.HasField("resume_token"):
            return None
        try:
            return self._keys.read(config.resume_token)
        except DomainError:
            self._metrics.sessions_resumed.labels("refused").inc()
            raise

    @contextmanager
    def _counting_resumes(self, config: StreamConfig) -> Iterator[None]:
        resumes = config.HasField("resume_token")
        try:
            yield
        except DomainError:
            self._metrics.sessions_resumed.labels("refused").inc()
            raise
        if resumes:
            self._metrics.sessions_resumed.labels("resumed").inc()

    async def _session(
        self,
        wanted: StreamRequest,
        requests: AsyncIterator[StreamRequest],
        deadline: Deadline,
        seat: Seat,
        work: Work,
        resuming: Callable[[SessionConfig], Resumption],
    ) -> AsyncGenerator[StreamResponse, None]:
        config = decode_config(wanted.config, await self._pipeline.list_models(deadline))
        resumption = resuming(config)
        model = config.model
        if not wanted.config.model:
            self._load.default_model = model.name
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
        answer = encode_config(config)
        with self._two_ways(config, codec, accounting) as ways:
            if ways is not None:
                answer.datagrams.CopyFrom(ways.door.encode())
            yield StreamResponse(config=answer)
            session = Session(
                config,
                self._pipeline,
                deadline,
                self._settings.merge_frames,
                accounting,
                seat,
                codec.tables if codec else None,
                work,
                ways,
                resumption,
            )
            async with aclosing(session.run(requests)) as responses:
                async for response in responses:
                    yield response

    @contextmanager
    def _two_ways(
        self, config: SessionConfig, codec: ModelTables | None, accounting: Accounting
    ) -> Iterator[TwoWays | None]:
        """Yields what takes a session's packets both ways; None where they come over gRPC alone."""
        if self._datagrams is None or codec is None or not config.datagrams:
            yield None
            return
        from motioncast.orchestrator.two_ways import TwoWays

        with self._datagrams.session() as session:
            yield TwoWays(
                codec.tables, config.pattern, session, self._datagrams.wait_seconds, accounting
            )
