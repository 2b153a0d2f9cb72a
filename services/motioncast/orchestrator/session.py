"""One session: a pipeline from the client's messages to the complete video.

    requests -> door -> stretches -> services or ensembles -> responses

Each arrow is a stage that runs ahead of the next by a bounded amount: while one stretch is
synthesised, the next is read. The server stops reading from a client that sends too fast, and stops
working for one that reads too slowly.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from motioncast.codec import CodecTables
from motioncast.orchestrator import door
from motioncast.orchestrator.accounting import Accounting, Received
from motioncast.orchestrator.ahead import Ahead
from motioncast.orchestrator.coding import SessionCoding
from motioncast.orchestrator.configuration import SessionConfig
from motioncast.orchestrator.framing import SessionFraming
from motioncast.orchestrator.load import Work
from motioncast.orchestrator.pipeline import AT_ONCE, Cast, Pipeline
from motioncast.orchestrator.progress import BEGINNING
from motioncast.orchestrator.resumption import Parts, Resumption
from motioncast.orchestrator.returned import ReturnedVideo, leave_pictures
from motioncast.orchestrator.seats import Seat
from motioncast.orchestrator.source_keypoints import SourceKeypoints
from motioncast.orchestrator.sources import Sourced, Sources, digest_of
from motioncast.orchestrator.stretch import (
    Arrived,
    Late,
    Stretch,
    cut_stretches,
    latest_stretches,
    merge_stretches,
    stretch_end,
)
from motioncast.serving import Deadline, patience
from motioncast.timeline.origin import Origin
from motioncast.v1 import common_pb2
from motioncast.v1.motion_transfer_pb2 import (
    AccessUnit,
    ResultFrame,
    StreamEnd,
    StreamRequest,
    StreamResponse,
)
from motioncast.wire.framing import encode_crop

if TYPE_CHECKING:
    from motioncast.orchestrator.two_ways import TwoWays

_MOST_LIVE_FRAMES: Final = 32  # of a live session, waiting before they are skipped
_ORIGINS = {
    Origin.OBSERVED: common_pb2.FRAME_ORIGIN_OBSERVED,
    Origin.PREDICTED: common_pb2.FRAME_ORIGIN_PREDICTED,
    Origin.CONCEALED: common_pb2.FRAME_ORIGIN_CONCEALED,
}


class Session:
    """Runs one session after its configuration.

    Args:
        config: The effective configuration.
        pipeline: Makes the frames.
        deadline: Deadline of the whole session.
        merge_frames: Waiting groups are processed together up to this many frames.
        accounting: Where everything is counted.
        seat: Marked as begun once the first source arrived.
        tables: The model's codec tables, where keypoints are coded.
        work: The session's share of the server's capacity; None where it has the server to itself.
        ways: Where packets may also arrive as datagrams.
        resumption: The state it resumes from, and the maker of its tokens; None makes none.
    """

    def __init__(
        self,
        config: SessionConfig,
        pipeline: Pipeline,
        deadline: Deadline,
        merge_frames: int,
        accounting: Accounting,
        seat: Seat | None = None,
        tables: CodecTables | None = None,
        work: Work | None = None,
        ways: TwoWays | None = None,
        resumption: Resumption | None = None,
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._deadline = deadline
        self._merge_frames = merge_frames
        self._accounting = accounting
        self._seat = seat
        self._work = work
        self._coding = ways or SessionCoding(tables)
        self._ways = ways
        self._patience = patience()
        self._returned = ReturnedVideo(config)
        self._framing = SessionFraming(
            config, lambda square: pipeline.find_faces(square, deadline), accounting.count_framing
        )
        self._keypoints = SourceKeypoints(
            lambda image, first: pipeline.detect(config.model, image, deadline, first),
            registers=config.registers,
        )
        self._resumption = resumption
        self._start = 0 if resumption is None else resumption.start
        self._parts = Parts(self._framing, self._coding, accounting)

    async def run(
        self, requests: AsyncIterator[StreamRequest]
    ) -> AsyncGenerator[StreamResponse, None]:
        """Yields every frame of the timeline in order, then the report.

        Raises:
            OutOfOrderError: A message came when the protocol does not allow it.
            InvalidInputError: The contents of a message are invalid.
            UnavailableError, DeadlineError: As for `Pipeline`.
        """
        config, accounting = self._config, self._accounting
        sources = await self._sources(requests)
        started = False
        if self._resumption is not None:
            self._resumption.begin(self._parts)
            started = self._resumption.progress.started
        arrivals = self._owed(
            cut_stretches(
                self._arrivals(requests),
                config.pattern,
                config.frame_count,
                sources,
                config.delay_frames,
                self._start,
                started=started,
            )
        )
        group = stretch_end(config.pattern, 0)
        waiting = _MOST_LIVE_FRAMES if config.live else self._merge_frames
        async with Ahead(arrivals, max(1, waiting // group)) as stretches:
            if config.live:
                casting = self._cast(self._latest(stretches))
            else:
                casting = self._cast(merge_stretches(stretches, self._merge_frames))
            async with Ahead(casting, 1) as casts:
                async for cast in casts:
                    accounting.count_forecast_errors(cast.errors)
                    accounting.count_timings(cast.timings)
                    units = await self._returned.units(cast.images)
                    responses = _encode(cast, self._framing, units)
                    if config.pictures_only:
                        for response in responses:
                            leave_pictures(response.frame)
                    size = sum(response.ByteSize() for response in responses)
                    if raw := self._framing.raw_frame_bytes:
                        accounting.frames_are(raw)
                    accounting.count_results(cast.origins, size, cast.sources)
                    accounting.count_interpolated(len(cast.interpolated))
                    self._add_token(cast, responses[-1].frame)
                    for response in responses:
                        accounting.count_departure(response.frame.index)
                        yield response
                        self._patience.settle(1)
        report = accounting.report()
        if self._ways is not None:
            report.datagrams.CopyFrom(self._ways.counts())
        yield StreamResponse(report=report)

    def _cast(self, stretches: AsyncIterator[Stretch]) -> AsyncGenerator[Cast, None]:
        work, resumption = self._work, self._resumption
        progress = BEGINNING if resumption is None else resumption.progress
        casts = self._pipeline.cast(
            stretches, self._config, self._deadline, work or AT_ONCE, progress
        )
        return casts if work is None else work.timed(casts)

    async def _latest(self, stretches: Ahead[Stretch]) -> AsyncGenerator[Stretch, None]:
        """Yields the newest stretches; the frames skipped with them are no longer owed."""
        async with aclosing(latest_stretches(stretches)) as latest:
            async for stretch in latest:
                start, count = stretch.start, stretch.left_out
                self._accounting.count_left_out(range(start, start + count))
                self._patience.settle(count)
                yield stretch

    async def _sources(self, requests: AsyncIterator[StreamRequest]) -> Sources:
        """Returns the sources that the session begins with: one, or all of a resumed session."""
        resumption, received = self._resumption, list[Sourced]()
        if resumption is not None:
            resumption.begin_coding(self._coding)
        resumed = resumption is not None and resumption.resumed
        wanted = sorted(resumption.progress.digests) if resumption and resumed else [0]
        for index in wanted:
            source, request = await door.read_source(
                requests, self._config.model, self._framing, self._coding, first=index == 0
            )
            if self._seat is not None:
                self._seat.began = True
            self._accounting.count_received(Received("source", request.ByteSize()))
            digest = digest_of(request)
            if resumption is not None and resumed:
                resumption.check_source(index, digest)
            received += await self._keypoints.complete(source, digest)
        return Sources.of(*received)

    def _add_token(self, cast: Cast, last: ResultFrame) -> None:
        """Adds the token that resumes after a group to the group's last frame."""
        if self._resumption is None or cast.progress is None:
            return
        token = self._resumption.token(last.index + 1, cast.progress, self._parts)
        if token is not None:
            last.resume_token = token
            self._accounting.count_token(len(token))

    async def _owed(
        self, stretches: AsyncGenerator[Stretch, None]
    ) -> AsyncGenerator[Stretch, None]:
        """Yields the stretches; from then on the client is owed their frames."""
        async with aclosing(stretches):
            async for stretch in stretches:
                self._patience.owe(len(stretch.frames))
                yield stretch

    async def _arrivals(
        self, requests: AsyncIterator[StreamRequest]
    ) -> AsyncGenerator[Arrived | Late | Sourced | StreamEnd, None]:
        incoming = requests if self._ways is None else self._ways.elements(requests)
        async for request in incoming:
            if not isinstance(request, StreamRequest):
                if request.packet is not None:
                    self._framing.note(request.packet, request.frame.index, "coded.crop")
                yield request.frame
                continue
            if request.HasField("end"):
                self._accounting.count_received(Received("config", request.ByteSize()))
                yield request.end
                await door.read_nothing(requests)
                return
            if request.HasField("source"):
                source = await door.checked_source(
                    request.source, self._config.model, self._framing, self._coding, first=False
                )
                self._accounting.count_received(Received("source", request.ByteSize()))
                for sourced in await self._keypoints.complete(source, digest_of(request)):
                    yield sourced
                continue
            arrivals, received = await door.read_arrivals(
                request, self._config.model, self._framing, self._coding
            )
            self._accounting.count_received(received)
            for arrival in arrivals:
                if request.HasField("coded") and arrival.index < self._start:
                    continue  # from a packet sent again for its later frames
                self._accounting.count_arrival(arrival.index)
                yield arrival


def _encode(
    cast: Cast, framing: SessionFraming, units: Sequence[AccessUnit | None]
) -> list[StreamResponse]:
    frames = zip(
        cast.origins,
        cast.keypoints,
        cast.half_widths,
        cast.images,
        cast.sources,
        units,
        strict=True,
    )
    responses = []
    for index, (origin, keypoints, half_width90, image, source, unit) in enumerate(
        frames, cast.start
    ):
        shown = framing.shown(index)
        frame = ResultFrame(
            index=index,
            origin=_ORIGINS[origin],
            image=image if unit is None else None,
            encoded=unit,
            keypoints=keypoints,
            timings=cast.timings,
            group_frames=len(cast.origins),
            half_width90=half_width90,
            crop=encode_crop(shown.crop) if shown else None,
            faces=shown.faces if shown else 0,
            source_index=source,
            interpolated=index - cast.start in cast.interpolated,
            synthetic=True,
        )
        responses.append(StreamResponse(frame=frame))
    return responses
