"""One session that runs ensembles: each stretch is one call that runs several models in a row.

    frames sent, some missing        motion_transfer
    frames sent, none missing        reconstruct; the predictor processes them only when it has to
    keypoints sent, some missing     forecast
    keypoints sent, none missing     the synthesis model

Whatever no ensemble covers is run model by model on the same engine: a stretch that mixes frames
and keypoints, frames before the first observed one (which hold the source's keypoints), relative
motion (which moves keypoints between predictor and synthesis), several sources (one is chosen per
frame), and interpolated gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from motioncast.inference import ModelSet
from motioncast.inference.engine import Array
from motioncast.orchestrator.configuration import SessionConfig
from motioncast.orchestrator.models import SessionCalls, detect, inputs_of
from motioncast.orchestrator.progress import BEGINNING, Progress
from motioncast.orchestrator.recurrence import Filled, Recurrence
from motioncast.orchestrator.sources import SourceChooser, Sources
from motioncast.orchestrator.stretch import Stretch, keypoints_of
from motioncast.orchestrator.transports import EngineTransport
from motioncast.sources import frames_by_source, in_order
from motioncast.timeline.motion import RelativeMotion
from motioncast.timeline.span import Span
from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.motion_transfer_pb2 import StageTimings
from motioncast.wire.images import Pixels, decode_image
from motioncast.wire.keypoints import Keypoints, decode_keypoint_sets, decode_keypoints


@dataclass(frozen=True, slots=True)
class Made:
    """The models' output for a stretch of T frames.

    Attributes:
        filled: The keypoints of its frames, before relative motion.
        images: (T, H, W, 3).
        sources: The index of each frame's source.
    """

    filled: Filled
    images: Pixels
    sources: list[int]


class EnsembleSession:
    """Makes the frames of one session, stretch after stretch.

    Args:
        models: The model configuration.
        calls: Runs models and ensembles.
        config: The session's configuration.
        resumed: The progress to continue from, in a resumed session.
    """

    def __init__(
        self,
        models: ModelSet,
        calls: SessionCalls,
        config: SessionConfig,
        resumed: Progress = BEGINNING,
    ) -> None:
        self._models = models
        self._calls = calls
        anchored = models.anchored_keypoints
        self._motion = (
            RelativeMotion(resumed.reference, anchored=anchored) if config.relative_motion else None
        )
        self._transport = EngineTransport(models, calls, config.seed)
        self._recurrence = Recurrence(self._transport, config.delay_frames, late=config.datagrams)
        if resumed.predictor is not None:
            self._recurrence.go_on(self._transport.unpack(resumed.predictor))
        self._delayed = config.delay_frames > 0
        self._resumable = config.resumable
        self._registers = config.registers
        self._chooser = SourceChooser(models.source_weights, resumed.choice)
        self._sources: Sources | None = None  # of the previous stretch
        self._inputs: dict[int, dict[str, Array]] = {}  # model inputs, by source index

    async def make(self, stretch: Stretch, timings: StageTimings) -> Made:
        """Returns the stretch's frames; adds the time of each stage to the timings."""
        if stretch.late:
            late = keypoints_of(stretch.late, self._models.keypoints)
            await self._recurrence.correct(late, timings)
        made = await self._make(stretch, timings)
        if self._resumable and (errors := await self._settle(stretch, timings)):
            filled = replace(made.filled, errors=[*made.filled.errors, *errors])
            made = replace(made, filled=filled)
        return made

    async def _settle(self, stretch: Stretch, timings: StageTimings) -> list[float]:
        return await self._recurrence.settle(stretch.start, stretch.end, timings)

    def progress(self, stretch: Stretch) -> Progress | None:
        """Returns what the frames after a stretch depend on; None if a token has no room for it.

        That is the case when the predictor has not processed the whole stretch.
        """
        recurrence = self._recurrence
        if not (self._resumable and recurrence.has_seen_all):
            return None
        state = recurrence.state
        return Progress(
            recurrence.started,
            None if state is None else self._transport.pack(state, stretch.end),
            self._motion.reference if self._motion else None,
            self._chooser.choice,
            stretch.sources.digests,
        )

    async def _make(self, stretch: Stretch, timings: StageTimings) -> Made:
        arrivals = [frame.arrival for frame in stretch.frames]
        observed = np.array([one is not None for one in arrivals])
        images = [one for one in arrivals if isinstance(one, Image)]
        sets = [one for one in arrivals if isinstance(one, KeypointSet)]
        holds = not self._recurrence.started and not observed[0]
        self._use(stretch.sources)
        several = len(self._inputs) > 1
        hides = stretch.left_out > 0
        if self._delayed or self._motion or several or holds or hides or (images and sets):
            return await self._model_by_model(stretch, observed, timings)
        if observed.all():
            return await self._all_observed(stretch.start, images, sets, timings)
        return await self._with_gaps(stretch.start, observed, images, sets, timings)

    async def _all_observed(
        self, start: int, images: list[Image], sets: list[KeypointSet], timings: StageTimings
    ) -> Made:
        if images:
            inputs = {"frames": self._pixels(images), **self._first}
            name = self._models.reconstruct_ensemble
            run = await self._calls.run("ensemble", name, inputs, timings)
            driving, made = run["driving_keypoints"][0], run["image"][0]
        else:
            driving = decode_keypoint_sets(sets, self._models.keypoints, "keypoints")
            made = await self._synthesise(driving, self._first, timings)
        span = Span(start, driving, np.ones(len(driving), np.bool_))
        errors = await self._recurrence.note(span, timings)
        filled = Filled(driving, [None] * len(driving), errors)
        return Made(filled, made, self._choose(driving))

    async def _with_gaps(
        self,
        start: int,
        observed: NDArray[np.bool_],
        images: list[Image],
        sets: list[KeypointSet],
        timings: StageTimings,
    ) -> Made:
        errors = await self._recurrence.catch_up(timings)
        state = self._recurrence.state
        inputs = {**self._transport.inputs(start, observed, state), **self._first}
        if images:
            name = self._models.motion_transfer_ensemble
            inputs["frames"] = self._pixels(images)
        else:
            name = self._models.forecast_ensemble
            received = decode_keypoint_sets(sets, self._models.keypoints, "keypoints")
            inputs["keypoints"] = self._timeline(observed, received)[np.newaxis]
        run = await self._calls.run("ensemble", name, inputs, timings)
        span = Span(start, run["driving_keypoints"][0], observed)
        filled = self._recurrence.take(span, self._transport.told(run.outputs, span))
        chosen = self._choose(filled.keypoints)
        return Made(replace(filled, errors=errors + filled.errors), run["image"][0], chosen)

    async def _model_by_model(
        self, stretch: Stretch, observed: NDArray[np.bool_], timings: StageTimings
    ) -> Made:
        known = await self._known(stretch, timings)  # (M, K, 3)
        span = Span(stretch.start, self._timeline(observed, known), observed)
        source = self._first["source_keypoints"][0]
        filled = await self._recurrence.fill(span, source, timings)
        moved = filled.keypoints
        if self._motion:
            origins = [frame.origin for frame in stretch.frames]
            moved = self._motion.move_all(source, moved, origins)
        if stretch.left_out:
            moved, filled = moved[stretch.left_out :], filled.without(stretch.left_out)
        chosen = self._choose(moved)
        frames = frames_by_source(chosen)
        images = [
            await self._synthesise(moved[places], self._inputs[index], timings)
            for index, places in frames.items()
        ]
        return Made(filled, in_order(images, frames), chosen)

    async def _known(self, stretch: Stretch, timings: StageTimings) -> Keypoints:
        """Returns the keypoints (M, K, 3) of the observed frames, received or detected here."""
        arrivals = [one.arrival for one in stretch.frames if one.arrival is not None]
        images = [one for one in arrivals if isinstance(one, Image)]
        detected: Array = np.empty((0, self._models.keypoints, 3), np.float32)
        if images:
            source = self._first if self._registers else None
            pixels = self._pixels(images)
            detected = await detect(self._models, self._calls, pixels, source, timings)
        found = iter(detected)
        known = [
            next(found) if isinstance(one, Image) else decode_keypoints(one, self._models.keypoints)
            for one in arrivals
        ]
        return np.stack(known) if known else detected

    async def _synthesise(
        self, driving: Keypoints, source: Mapping[str, Array], timings: StageTimings
    ) -> Pixels:
        inputs = {"driving_keypoints": driving[np.newaxis], **source}
        run = await self._calls.run("synthesis", self._models.synthesis_model, inputs, timings)
        images: Pixels = run["image"][0]
        return images

    def _use(self, sources: Sources) -> None:
        """Prepares a stretch's sources as model inputs, unless they are the previous stretch's."""
        if sources is not self._sources:
            self._sources = sources
            self._inputs = {
                index: inputs_of(one, self._models) for index, one in sources.by_index.items()
            }

    @property
    def _first(self) -> dict[str, Array]:
        return self._inputs[0]

    def _choose(self, moved: Keypoints) -> list[int]:
        assert self._sources is not None  # set by `make`
        return self._chooser.choose(self._sources, moved)

    def _timeline(self, observed: NDArray[np.bool_], known: Keypoints) -> Keypoints:
        """Returns (T, K, 3) with the observed keypoints (M, K, 3) in place and zeros elsewhere."""
        timeline = np.zeros((len(observed), self._models.keypoints, 3), np.float32)
        timeline[observed] = known
        return timeline

    def _pixels(self, images: list[Image]) -> Pixels:
        height, width = self._models.height, self._models.width
        return np.stack([decode_image(image, height, width) for image in images])
