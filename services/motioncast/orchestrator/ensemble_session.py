"""One session by ensembles: a stretch is one call of models in a row.

    frames sent, some missing        motion_transfer
    frames sent, none missing        reconstruct, and the predictor looks at them when it has to
    keypoints sent, some missing     forecast
    keypoints sent, none missing     the synthesis model

What no ensemble can do is done model by model, on the same engine: a stretch in which the sender
mixes frames and keypoints, frames before the first observed one, which hold the source's keypoints,
relative motion, which moves keypoints between predictor and synthesis, and several sources, of
which one is chosen there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motioncast.inference import Inference, ModelSet
from motioncast.inference.engine import Array
from motioncast.inference.forecast import stated_interval
from motioncast.orchestrator.configuration import SessionConfig
from motioncast.orchestrator.models import ModelCalls
from motioncast.orchestrator.recurrence import Recurrence
from motioncast.orchestrator.sources import SourceChooser, Sources
from motioncast.orchestrator.stretch import Stretch
from motioncast.serving import Deadline
from motioncast.sources import frames_by_source, in_order
from motioncast.timeline.motion import RelativeMotion
from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.motion_transfer_pb2 import StageTimings
from motioncast.wire.images import Pixels, decode_image
from motioncast.wire.keypoints import Keypoints, decode_keypoint_sets, decode_keypoints


@dataclass(frozen=True, slots=True)
class Made:
    """What the models made of a stretch of T frames.

    Attributes:
        driving: (T, K, 3), before relative motion.
        images: (T, H, W, 3).
        half_widths: (K, 3) for each frame, of the 90 % interval; None where there is none.
        errors: One-step forecast errors of the observed frames that the predictor has seen now.
        sources: The index of the source of each frame.
    """

    driving: Keypoints
    images: Pixels
    half_widths: list[Keypoints | None]
    errors: list[float]
    sources: list[int]


class EnsembleSession:
    """Makes the frames of one session, stretch after stretch.

    Args:
        models: The configuration.
        calls: Runs models and ensembles.
        config: The session's.
        deadline: The session's.
    """

    def __init__(
        self,
        models: ModelSet,
        calls: ModelCalls,
        config: SessionConfig,
        deadline: Deadline,
    ) -> None:
        self._models = models
        self._calls = calls
        self._deadline = deadline
        self._motion = RelativeMotion() if config.relative_motion else None
        self._recurrence = Recurrence(models, config.seed)
        self._chooser = SourceChooser(models.source_weights)
        self._sources: Sources | None = None  # of the stretch before
        self._inputs: dict[int, dict[str, Array]] = {}  # of the models, by their index

    async def make(self, stretch: Stretch, timings: StageTimings) -> Made:
        """Returns the stretch's frames; adds what each stage took to the timings."""
        arrivals = [frame.arrival for frame in stretch.frames]
        observed = np.array([one is not None for one in arrivals])
        images = [one for one in arrivals if isinstance(one, Image)]
        sets = [one for one in arrivals if isinstance(one, KeypointSet)]
        holds = not self._recurrence.started and not observed[0]
        self._use(stretch.sources)
        several = len(self._inputs) > 1
        if self._motion or several or holds or (images and sets):
            return await self._model_by_model(stretch, observed, timings)
        if observed.all():
            return await self._all_observed(stretch.start, images, sets, timings)
        return await self._with_gaps(stretch.start, observed, images, sets, timings)

    async def _all_observed(
        self, start: int, images: list[Image], sets: list[KeypointSet], timings: StageTimings
    ) -> Made:
        if images:
            inputs = {"frames": self._pixels(images), **self._first}
            run = await self._run("ensemble", self._models.reconstruct_ensemble, inputs, timings)
            driving, made = run["driving_keypoints"][0], run["image"][0]
        else:
            driving = decode_keypoint_sets(sets, self._models.keypoints, "keypoints")
            made = await self._synthesise(driving, self._first, timings)
        errors = await self._collect(start, driving, timings)
        chosen = self._choose(driving)
        return Made(driving, made, [None] * len(driving), errors, chosen)

    async def _with_gaps(
        self,
        start: int,
        observed: NDArray[np.bool_],
        images: list[Image],
        sets: list[KeypointSet],
        timings: StageTimings,
    ) -> Made:
        errors = await self._catch_up(timings)
        inputs = {**self._recurrence.inputs(start, observed), **self._first}
        if images:
            name = self._models.motion_transfer_ensemble
            inputs["frames"] = self._pixels(images)
        else:
            name = self._models.forecast_ensemble
            received = decode_keypoint_sets(sets, self._models.keypoints, "keypoints")
            inputs["keypoints"] = self._timeline(observed, received)[np.newaxis]
        run = await self._run("ensemble", name, inputs, timings)
        driving = run["driving_keypoints"][0]
        errors += self._advance(run, observed, driving)
        half_widths, chosen = _half_widths(run, observed), self._choose(driving)
        return Made(driving, run["image"][0], half_widths, errors, chosen)

    async def _model_by_model(
        self, stretch: Stretch, observed: NDArray[np.bool_], timings: StageTimings
    ) -> Made:
        known = await self._known(stretch, timings)  # (M, K, 3)
        driving = self._timeline(observed, known)
        half_widths: list[Keypoints | None] = [None] * len(driving)
        first = 0
        if not self._recurrence.started:
            first = int(observed.argmax()) if observed.any() else len(observed)
            driving[:first] = self._first["source_keypoints"][0]
        rest = observed[first:]
        if rest.all():
            errors = await self._collect(stretch.start + first, driving[first:], timings)
        else:
            errors = await self._catch_up(timings)
            run = await self._predict(stretch.start + first, rest, driving[first:], timings)
            inputs = {"keypoints": driving[np.newaxis, first:], "forecast": run["forecast"]}
            inputs["observed"] = rest.astype(np.float32)[np.newaxis]
            path = await self._run("predictor", self._models.path_model, inputs, timings)
            driving[first:] = path["driving_keypoints"][0]
            errors += self._advance(run, rest, driving[first:])
            half_widths[first:] = _half_widths(run, rest)
        moved = driving
        if self._motion:
            origins = [frame.origin for frame in stretch.frames]
            source = self._first["source_keypoints"][0]
            moved = self._motion.move_all(source, driving, origins)
        chosen = self._choose(moved)
        frames = frames_by_source(chosen)
        images = [
            await self._synthesise(moved[places], self._inputs[index], timings)
            for index, places in frames.items()
        ]
        return Made(driving, in_order(images, frames), half_widths, errors, chosen)

    async def _known(self, stretch: Stretch, timings: StageTimings) -> Keypoints:
        """Returns the keypoints of the observed frames, (M, K, 3), received or detected now."""
        arrivals = [one.arrival for one in stretch.frames if one.arrival is not None]
        images = [one for one in arrivals if isinstance(one, Image)]
        detected: Array = np.empty((0, self._models.keypoints, 3), np.float32)
        if images:
            inputs = {"image": self._pixels(images)}
            run = await self._run("keypoint", self._models.keypoint_model, inputs, timings)
            detected = run["keypoints"]
        found = iter(detected)
        known = [
            next(found) if isinstance(one, Image) else decode_keypoints(one, self._models.keypoints)
            for one in arrivals
        ]
        return np.stack(known) if known else detected

    async def _collect(
        self, start: int, keypoints: Keypoints, timings: StageTimings
    ) -> list[float]:
        """Notes observed frames; lets the predictor see them if they have become many."""
        self._recurrence.collect(start, keypoints)
        return await self._catch_up(timings) if self._recurrence.is_full else []

    async def _catch_up(self, timings: StageTimings) -> list[float]:
        """Lets the predictor see the frames that it has not; returns their forecast errors."""
        if not self._recurrence.is_behind:
            return []
        start, keypoints = self._recurrence.unseen()
        observed = np.ones(len(keypoints), np.bool_)
        run = await self._predict(start, observed, keypoints, timings)
        return self._advance(run, observed, keypoints)

    async def _predict(
        self,
        start: int,
        observed: NDArray[np.bool_],
        keypoints: Keypoints,
        timings: StageTimings,
    ) -> Inference:
        inputs = {"keypoints": keypoints[np.newaxis], **self._recurrence.inputs(start, observed)}
        return await self._run("predictor", self._models.predictor_model, inputs, timings)

    def _advance(
        self, run: Inference, observed: NDArray[np.bool_], driving: Keypoints
    ) -> list[float]:
        return self._recurrence.advance(run["forecast"], run["next_state"], observed, driving)

    async def _synthesise(
        self, driving: Keypoints, source: Mapping[str, Array], timings: StageTimings
    ) -> Pixels:
        inputs = {"driving_keypoints": driving[np.newaxis], **source}
        run = await self._run("synthesis", self._models.synthesis_model, inputs, timings)
        images: Pixels = run["image"][0]
        return images

    async def _run(
        self, stage: str, model: str, inputs: Mapping[str, Array], timings: StageTimings
    ) -> Inference:
        answer = await self._calls.run(model, inputs, self._deadline)
        for name, milliseconds in (
            (f"{stage}_ms", answer.milliseconds),
            (f"{stage}_inference_ms", 1000 * answer.response.seconds),
        ):
            setattr(timings, name, getattr(timings, name) + milliseconds)
        return answer.response

    def _use(self, sources: Sources) -> None:
        """Takes the sources of a stretch as inputs of models, unless they are those of the last."""
        if sources is not self._sources:
            self._sources = sources
            self._inputs = {
                index: {
                    "source_image": self._pixels([one.image]),
                    "source_keypoints": decode_keypoints(one.keypoints, self._models.keypoints)[
                        np.newaxis
                    ],
                }
                for index, one in sources.by_index.items()
            }

    @property
    def _first(self) -> dict[str, Array]:
        return self._inputs[0]

    def _choose(self, moved: Keypoints) -> list[int]:
        assert self._sources is not None  # `make` has taken them
        return self._chooser.choose(self._sources, moved)

    def _timeline(self, observed: NDArray[np.bool_], known: Keypoints) -> Keypoints:
        """Returns the observed keypoints (M, K, 3) in their places, (T, K, 3), zeros elsewhere."""
        timeline = np.zeros((len(observed), self._models.keypoints, 3), np.float32)
        timeline[observed] = known
        return timeline

    def _pixels(self, images: list[Image]) -> Pixels:
        height, width = self._models.height, self._models.width
        return np.stack([decode_image(image, height, width) for image in images])


def _half_widths(run: Inference, observed: NDArray[np.bool_]) -> list[Keypoints | None]:
    """Returns the half-widths of the frames that were forecast, None for the others."""
    stated = stated_interval(run["half_width90"])  # (T, K, 3)
    if stated is None:
        return [None] * len(observed)
    return [None if seen else one for seen, one in zip(observed, stated, strict=True)]
