"""One session: a pipeline from what the client sends to the whole video.

    requests -> door -> stretches -> Detect, fill gaps -> Synthesize -> responses

Each arrow is a stage that runs ahead of the next one by a bounded amount: while one stretch is
synthesised, the next is detected and the one after is read. A client that sends too fast is not
read from, one that reads too slowly is not worked for.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass

from motioncast.orchestrator import door
from motioncast.orchestrator.accounting import Accounting
from motioncast.orchestrator.ahead import Ahead
from motioncast.orchestrator.backends import Backends
from motioncast.orchestrator.configuration import SessionConfig
from motioncast.orchestrator.gaps import GapFiller
from motioncast.orchestrator.stretch import (
    Arrival,
    Stretch,
    cut_stretches,
    merge_stretches,
    stretch_end,
)
from motioncast.orchestrator.timeline import Origin
from motioncast.orchestrator.transfer import RelativeMotion
from motioncast.serving import Deadline
from motioncast.v1 import common_pb2
from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.motion_transfer_pb2 import (
    ResultFrame,
    SourceImage,
    StageTimings,
    StreamRequest,
    StreamResponse,
)
from motioncast.v1.synthesis_pb2 import SynthesizeRequest

_ORIGINS = {
    Origin.OBSERVED: common_pb2.FRAME_ORIGIN_OBSERVED,
    Origin.PREDICTED: common_pb2.FRAME_ORIGIN_PREDICTED,
    Origin.CONCEALED: common_pb2.FRAME_ORIGIN_CONCEALED,
}


@dataclass(frozen=True, slots=True)
class Driven:
    """A stretch whose frames all have keypoints; what the sender supplied is let go."""

    start: int
    origins: tuple[Origin, ...]
    keypoints: list[KeypointSet]
    half_widths: list[KeypointSet | None]
    complete_at: float
    timings: StageTimings  # synthesis and total are still to come


@dataclass(frozen=True, slots=True)
class Result:
    """A stretch that is ready to send."""

    origins: tuple[Origin, ...]
    responses: list[StreamResponse]


class Session:
    """Runs one session after its configuration.

    Args:
        config: The effective configuration.
        backends: The three services.
        deadline: Of the whole session.
        merge_frames: Groups that wait are processed together up to so many frames.
        accounting: Where everything is counted.
    """

    def __init__(
        self,
        config: SessionConfig,
        backends: Backends,
        deadline: Deadline,
        merge_frames: int,
        accounting: Accounting,
    ) -> None:
        self._config = config
        self._backends = backends
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
            UnavailableError, DeadlineError: As `Backends` does.
        """
        source, size = await door.read_source(requests, self._config.model)
        self._accounting.count_received("source", size)
        if not source.HasField("keypoints"):
            source.keypoints.CopyFrom(await self._detect_source(source.image))
        arrivals = cut_stretches(
            self._arrivals(requests), self._config.pattern, self._config.frame_count
        )
        group = stretch_end(self._config.pattern, 0)
        async with Ahead(arrivals, max(1, self._merge_frames // group)) as stretches:
            merged = merge_stretches(stretches, self._merge_frames)
            async with (
                Ahead(self._drive(merged, source), 1) as driven,
                Ahead(self._synthesise(driven, source), 1) as synthesised,
            ):
                async for result in synthesised:
                    size = sum(response.ByteSize() for response in result.responses)
                    self._accounting.count_results(result.origins, size)
                    for response in result.responses:
                        yield response
        yield StreamResponse(report=self._accounting.report())

    async def _detect_source(self, image: Image) -> KeypointSet:
        answer = await self._backends.detect(self._config.model.name, [image], self._deadline)
        return answer.response.keypoints[0]

    async def _arrivals(
        self, requests: AsyncIterator[StreamRequest]
    ) -> AsyncGenerator[tuple[int, Arrival], None]:
        async for request in requests:
            index, arrival, kind = await door.read_arrival(request, self._config.model)
            self._accounting.count_received(kind, request.ByteSize())
            yield index, arrival

    async def _drive(
        self, stretches: AsyncIterator[Stretch], source: SourceImage
    ) -> AsyncGenerator[Driven, None]:
        """Yields the stretches with the keypoints of every frame."""
        gaps = GapFiller(
            lambda request: self._backends.predict(request, self._deadline),
            self._config.model.name,
            source.keypoints,
            self._config.seed,
        )
        async for stretch in stretches:
            timings = StageTimings()
            known = await self._detect(stretch, timings)
            filled = await gaps.fill(stretch.start, known)
            timings.predictor_ms = filled.milliseconds
            timings.predictor_inference_ms = filled.inference_ms
            self._accounting.count_forecast_errors(filled.errors)
            origins = tuple(frame.origin for frame in stretch.frames)
            yield Driven(
                stretch.start,
                origins,
                filled.keypoints,
                filled.half_widths,
                stretch.complete_at,
                timings,
            )

    async def _detect(self, stretch: Stretch, timings: StageTimings) -> list[KeypointSet | None]:
        """Returns the keypoints of the frames that the sender supplied, None for the others."""
        images = [one.arrival for one in stretch.frames if isinstance(one.arrival, Image)]
        detected: list[KeypointSet] = []
        if images:
            answer = await self._backends.detect(self._config.model.name, images, self._deadline)
            detected = list(answer.response.keypoints)
            timings.keypoint_ms = answer.milliseconds
            timings.keypoint_inference_ms = answer.response.inference_ms
        found = iter(detected)
        return [
            next(found) if isinstance(one.arrival, Image) else one.arrival for one in stretch.frames
        ]

    async def _synthesise(
        self, groups: AsyncIterator[Driven], source: SourceImage
    ) -> AsyncGenerator[Result, None]:
        """Yields the stretches as the messages to send."""
        motion = RelativeMotion(source.keypoints) if self._config.relative_motion else None
        async for driven in groups:
            driving = driven.keypoints
            if motion:
                driving = [
                    motion.move(one, observed=origin is Origin.OBSERVED)
                    for one, origin in zip(driving, driven.origins, strict=True)
                ]
            request = SynthesizeRequest(
                model=self._config.model.name,
                source=source.image,
                source_keypoints=source.keypoints,
                driving_keypoints=driving,
                output_encoding=self._config.output_encoding,
            )
            answer = await self._backends.synthesize(request, self._deadline)
            timings = driven.timings
            timings.synthesis_ms = answer.milliseconds
            timings.synthesis_inference_ms = answer.response.inference_ms
            timings.total_ms = 1000 * (time.perf_counter() - driven.complete_at)
            self._accounting.count_timings(timings)
            yield Result(driven.origins, _encode(driven, answer.response.images))


def _encode(driven: Driven, images: Iterable[Image]) -> list[StreamResponse]:
    frames = zip(driven.origins, driven.keypoints, driven.half_widths, images, strict=True)
    return [
        StreamResponse(
            frame=ResultFrame(
                index=index,
                origin=_ORIGINS[origin],
                image=image,
                keypoints=keypoints,
                timings=driven.timings,
                group_frames=len(driven.origins),
                half_width90=half_width90,
            )
        )
        for index, (origin, keypoints, half_width90, image) in enumerate(frames, driven.start)
    ]
