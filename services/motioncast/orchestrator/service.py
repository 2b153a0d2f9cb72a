"""MotionTransferService: the whole system as one bidirectional call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from motioncast.codec.tables_file import ModelTables
from motioncast.orchestrator import door
from motioncast.orchestrator.accounting import Accounting, Received, VideoSize
from motioncast.orchestrator.configuration import (
    SessionConfig,
    decode_config,
    encode_config,
    find_model,
    frame_rate_of,
)
from motioncast.orchestrator.load import Load, Work
from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.orchestrator.pipeline import Pipeline
from motioncast.orchestrator.resuming import ResumeKeys, owner_of
from motioncast.orchestrator.resumption import Resumption
from motioncast.orchestrator.seats import Seat, Seats
from motioncast.orchestrator.session import Session
from motioncast.orchestrator.settings import OrchestratorSettings
from motioncast.serving import (
    Context,
    Deadline,
    caller,
    patience,
)
from motioncast.sources import MAX_SOURCES
from motioncast.timeline.pattern import MAX_GROUP_FRAMES
from motioncast.tracing import tell
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
)
from motioncast.v1.resume_pb2 import ResumeState
from motioncast.wire.codec import encode_tables
from motioncast.wire.errors import DomainError, ExhaustedError

if TYPE_CHECKING:
    from motioncast.orchestrator.datagrams import DatagramDoor
    from motioncast.orchestrator.two_ways import TwoWays


_VERSION: Final = version("motioncast")  # read once: has to work without free file descriptors


class MotionTransferServicer(MotionTransferServiceServicer):
    """Serves many concurrent sessions, independent of one another."""

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
        """Yields the merger of gRPC messages and datagrams; None where packets use gRPC only."""
        if self._datagrams is None or codec is None or not config.datagrams:
            yield None
            return
        from motioncast.orchestrator.two_ways import TwoWays

        with self._datagrams.session() as session:
            yield TwoWays(
                codec.tables, config.pattern, session, self._datagrams.wait_seconds, accounting
            )
