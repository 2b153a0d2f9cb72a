"""A pipeline over three services: each group is one Detect, one Predict and one Synthesize.

    stretches -> Detect, fill gaps -> Synthesize -> frames

The first arrow is a separate stage: while one stretch is synthesised, the next is detected.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

import numpy as np

from motioncast.codec.tables_file import ModelTables
from motioncast.framing import Face
from motioncast.orchestrator.ahead import Ahead
from motioncast.orchestrator.backends import Backends
from motioncast.orchestrator.configuration import ServedModels, SessionConfig
from motioncast.orchestrator.pipeline import (
    AT_ONCE,
    Cast,
    TakesTurns,
    encode_half_widths,
    milliseconds_since,
)
from motioncast.orchestrator.progress import BEGINNING, Progress
from motioncast.orchestrator.recurrence import Filled, Recurrence
from motioncast.orchestrator.sources import SourceChooser, Sources
from motioncast.orchestrator.stretch import Stretch, begin_group, keypoints_of
from motioncast.orchestrator.transports import ServiceTransport
from motioncast.orchestrator.turns import Turns
from motioncast.serving import Deadline
from motioncast.timeline.motion import RelativeMotion
from motioncast.timeline.origin import Origin
from motioncast.timeline.span import Span
from motioncast.tracing import Parts
from motioncast.tracing import Span as Traced
from motioncast.v1.common_pb2 import Image, KeypointSet, ModelInfo
from motioncast.v1.motion_transfer_pb2 import SourceImage, StageTimings
from motioncast.v1.synthesis_pb2 import FurtherSource, SynthesizeRequest
from motioncast.wire.framing import decode_faces
from motioncast.wire.images import Pixels, encode_image
from motioncast.wire.keypoints import decode_keypoints, encode_keypoints


@dataclass(frozen=True, slots=True)
class Driven:
    """A stretch whose frames all have keypoints; the sender's input has been released."""

    start: int
    origins: tuple[Origin, ...]
    filled: Filled
    complete_at: float
    sources: Sources
    timings: StageTimings  # synthesis and total are added later
    traced: Traced  # the span ends later
    progress: Progress | None  # without the synthesis stage's part
    left_out: int  # number of leading frames that are not synthesised


class ServicesPipeline:
    """Makes frames with the keypoint, predictor and synthesis services; see `Pipeline`."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self._turns = Turns()
        self._codecs: dict[str, ModelTables] = {}  # the newest, by model

    async def list_models(self, deadline: Deadline) -> ServedModels:
        """Returns the models that the keypoint service serves, and the name of the default."""
        return await self._backends.list_models(deadline)

    async def codec_tables(self, model: ModelInfo, deadline: Deadline) -> ModelTables:
        """Returns a model's codec tables; asks the keypoint service for them once."""
        codec = self._codecs.get(model.name)
        if codec is None or codec.digest != model.codec_tables:
            codec = await self._backends.codec_tables(model, deadline)
            self._codecs[model.name] = codec
        return codec

    async def detect(
        self,
        model: ModelInfo,
        image: Image,
        deadline: Deadline,
        first: SourceImage | None = None,
    ) -> KeypointSet:
        """Returns the keypoints of a source image, registered with the first one if given."""
        answer = await self._backends.detect(model.name, [image], deadline, first)
        return answer.response.keypoints[0]

    async def find_faces(self, square: Pixels, deadline: Deadline) -> list[Face]:
        """Returns the faces in a letterboxed picture."""
        answer = await self._backends.find_faces([encode_image(square)], deadline)
        return decode_faces(answer.response.images[0])

    async def cast(
        self,
        stretches: AsyncIterator[Stretch],
        config: SessionConfig,
        deadline: Deadline,
        work: TakesTurns = AT_ONCE,
        resumed: Progress = BEGINNING,
    ) -> AsyncGenerator[Cast, None]:
        """Yields the frames of the stretches; see `Pipeline.cast`."""
        async with Ahead(self._drive(stretches, config, deadline, work, resumed), 1) as driven:
            anchored = config.model.anchored_keypoints
            motion = (
                RelativeMotion(resumed.reference, anchored=anchored)
                if config.relative_motion
                else None
            )
            chooser = SourceChooser(config.model.source_weights, resumed.choice)
            async for one in driven:
                made = len(one.origins) - one.left_out
                with one.traced.within():
                    async with self._turns.turn(one.origins), work.turn("make", made):
                        cast = await self._synthesise(one, config, motion, chooser, deadline)
                one.traced.end()
                if one.progress is not None:
                    reference = motion.reference if motion else None
                    progress = replace(one.progress, reference=reference, choice=chooser.choice)
                    cast = replace(cast, progress=progress)
                yield cast

    async def ready(self) -> bool:
        """Returns whether all three services are serving."""
        return await self._backends.ready()

    async def _drive(
        self,
        stretches: AsyncIterator[Stretch],
        config: SessionConfig,
        deadline: Deadline,
        work: TakesTurns,
        resumed: Progress,
    ) -> AsyncGenerator[Driven, None]:
        """Yields the stretches with keypoints for every frame."""
        predict = ServiceTransport(
            lambda request: self._backends.predict(request, deadline),
            config.model.name,
            config.seed,
        )
        recurrence = Recurrence(predict, config.delay_frames, late=config.datagrams)
        if resumed.predictor is not None:
            recurrence.go_on(resumed.predictor)
        count, groups = config.model.keypoints, Parts("group")
        async for stretch in stretches:
            timings, traced = StageTimings(), begin_group(groups, stretch)
            with traced.within():
                hold = decode_keypoints(stretch.sources.first.keypoints, count, "source")
                async with _calls(work, stretch):
                    if stretch.late:
                        await recurrence.correct(keypoints_of(stretch.late, count), timings)
                    span = await self._detect(stretch, config, timings, deadline)
                    filled = await recurrence.fill(span, hold, timings)
                    if config.resumable and (
                        errors := await recurrence.settle(stretch.start, stretch.end, timings)
                    ):
                        filled = replace(filled, errors=[*filled.errors, *errors])
            progress = None
            if config.resumable and recurrence.has_seen_all:
                digests = stretch.sources.digests
                progress = Progress(recurrence.started, recurrence.state, digests=digests)
            yield Driven(
                stretch.start,
                tuple(frame.origin for frame in stretch.frames),
                filled,
                stretch.complete_at,
                stretch.sources,
                timings,
                traced,
                progress,
                stretch.left_out,
            )

    async def _detect(
        self, stretch: Stretch, config: SessionConfig, timings: StageTimings, deadline: Deadline
    ) -> Span:
        """Returns the keypoints of the frames that the sender supplied; registers its images'."""
        arrivals = [one.arrival for one in stretch.frames]
        images = [one for one in arrivals if isinstance(one, Image)]
        detected: list[KeypointSet] = []
        if images:
            source = stretch.sources.first if config.registers else None
            answer = await self._backends.detect(config.model.name, images, deadline, source)
            detected = list(answer.response.keypoints)
            timings.keypoint_ms = answer.milliseconds
            timings.keypoint_inference_ms = answer.response.inference_ms
        found, count = iter(detected), config.model.keypoints
        keypoints = np.zeros((len(arrivals), count, 3), np.float32)
        for t, one in enumerate(arrivals):
            if one is not None:
                known = next(found) if isinstance(one, Image) else one
                keypoints[t] = decode_keypoints(known, count)
        return Span(stretch.start, keypoints, np.array([one is not None for one in arrivals]))

    async def _synthesise(
        self,
        driven: Driven,
        config: SessionConfig,
        motion: RelativeMotion | None,
        chooser: SourceChooser,
        deadline: Deadline,
    ) -> Cast:
        sources, filled = driven.sources, driven.filled
        points, keypoints = filled.keypoints, [encode_keypoints(one) for one in filled.keypoints]
        driving = keypoints
        if motion:
            source = decode_keypoints(sources.first.keypoints, points.shape[1], "source")
            points = motion.move_all(source, points, driven.origins)
            driving = [encode_keypoints(one) for one in points]
        made = slice(driven.left_out, None)
        driving, keypoints = driving[made], keypoints[made]
        chosen = chooser.choose(sources, points[made])
        request = _request(config, sources, chosen, driving)
        answer = await self._backends.synthesise(request, deadline)
        timings = driven.timings
        timings.synthesis_ms = answer.milliseconds
        timings.synthesis_inference_ms = answer.response.inference_ms
        timings.total_ms = milliseconds_since(driven.complete_at)
        return Cast(
            driven.start + driven.left_out,
            driven.origins[made],
            keypoints,
            encode_half_widths(filled.half_widths[made]),
            answer.response.images,
            chosen,
            timings,
            filled.errors,
            filled.interpolated,
        )


def _calls(work: TakesTurns, stretch: Stretch) -> AbstractAsyncContextManager[None]:
    """Waits for a turn for the calls before synthesis, if there are any."""
    known = all(isinstance(frame.arrival, KeypointSet) for frame in stretch.frames)
    known = known and not stretch.late
    return (AT_ONCE if known else work).turn("drive", len(stretch.frames))


def _request(
    config: SessionConfig, sources: Sources, chosen: Sequence[int], driving: Sequence[KeypointSet]
) -> SynthesizeRequest:
    """Returns the request to the synthesis service, with the chosen sources only."""
    used = sorted(set(chosen))
    first, *others = (sources.by_index[index] for index in used)
    further = [FurtherSource(image=one.image, keypoints=one.keypoints) for one in others]
    request = SynthesizeRequest(
        model=config.model.name,
        source=first.image,
        source_keypoints=first.keypoints,
        driving_keypoints=driving,
        output_encoding=config.picture_encoding,
        further_sources=further,
    )
    if further:
        request.source_positions.extend(used.index(one) for one in chosen)
    return request
