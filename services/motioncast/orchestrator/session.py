"""One session: a pipeline from what the client sends to the whole video.

    requests -> door -> stretches -> services or ensembles -> responses

Each arrow is a stage that runs ahead of the next one by a bounded amount: while one stretch is
synthesised, the one after is read. A client that sends too fast is not read from, one that reads
too slowly is not worked for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from motioncast.orchestrator import door
from motioncast.orchestrator.accounting import Accounting
from motioncast.orchestrator.ahead import Ahead
from motioncast.orchestrator.configuration import SessionConfig
from motioncast.orchestrator.pipeline import Cast, Pipeline
from motioncast.orchestrator.stretch import (
    Arrival,
    cut_stretches,
    merge_stretches,
    stretch_end,
)
from motioncast.orchestrator.timeline import Origin
from motioncast.serving import Deadline
from motioncast.v1 import common_pb2
from motioncast.v1.motion_transfer_pb2 import (
    ResultFrame,
    StreamRequest,
    StreamResponse,
)

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
        deadline: Of the whole session.
        merge_frames: Groups that wait are processed together up to so many frames.
        accounting: Where everything is counted.
    """

    def __init__(
        self,
        config: SessionConfig,
        pipeline: Pipeline,
        deadline: Deadline,
        merge_frames: int,
        accounting: Accounting,
    ) -> None:
        self._config = config
        self._pipeline = pipeline
        self._deadline = deadline
        self._merge_frames = merge_frames
        self._accounting = accounting

    async def run(
        self, requests: AsyncIterator[StreamRequest]
    ) -> AsyncGenerator[StreamResponse, None]:
        """Yields every frame of the timeline in order, then the report.

        Raises:
            OutOfOrderError: A message came when the protocol does not allow it.
            InvalidInputError: A message has something wrong in it.
            UnavailableError, DeadlineError: As `Pipeline` does.
        """
        config, accounting = self._config, self._accounting
        source, size = await door.read_source(requests, config.model)
        accounting.count_received("source", size)
        if not source.HasField("keypoints"):
            source.keypoints.CopyFrom(
                await self._pipeline.detect(config.model, source.image, self._deadline)
            )
        arrivals = cut_stretches(self._arrivals(requests), config.pattern, config.frame_count)
        group = stretch_end(config.pattern, 0)
        async with Ahead(arrivals, max(1, self._merge_frames // group)) as stretches:
            merged = merge_stretches(stretches, self._merge_frames)
            casting = self._pipeline.cast(merged, source, config, self._deadline)
            async with Ahead(casting, 1) as casts:
                async for cast in casts:
                    accounting.count_forecast_errors(cast.errors)
                    accounting.count_timings(cast.timings)
                    responses = _encode(cast)
                    size = sum(response.ByteSize() for response in responses)
                    accounting.count_results(cast.origins, size)
                    for response in responses:
                        yield response
        yield StreamResponse(report=accounting.report())

    async def _arrivals(
        self, requests: AsyncIterator[StreamRequest]
    ) -> AsyncGenerator[tuple[int, Arrival], None]:
        async for request in requests:
            index, arrival, kind = await door.read_arrival(request, self._config.model)
            self._accounting.count_received(kind, request.ByteSize())
            yield index, arrival


def _encode(cast: Cast) -> list[StreamResponse]:
    frames = zip(cast.origins, cast.keypoints, cast.half_widths, cast.images, strict=True)
    return [
        StreamResponse(
            frame=ResultFrame(
                index=index,
                origin=_ORIGINS[origin],
                image=image,
                keypoints=keypoints,
                timings=cast.timings,
                group_frames=len(cast.origins),
                half_width90=half_width90,
            )
        )
        for index, (origin, keypoints, half_width90, image) in enumerate(frames, cast.start)
    ]
