"""Calls of an engine's models, with a time limit and the errors that the orchestrator expects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter

import numpy as np

from motioncast.inference import Inference, MeasuredEngine, ModelSet
from motioncast.inference.engine import Array
from motioncast.orchestrator.backends import Answer
from motioncast.orchestrator.pipeline import milliseconds_since
from motioncast.orchestrator.service_failures import RETRY_AFTER_SECONDS
from motioncast.replicas.pool import pauses
from motioncast.serving import Deadline
from motioncast.v1.motion_transfer_pb2 import SourceImage, StageTimings
from motioncast.wire.errors import (
    DeadlineError,
    ExhaustedError,
    InvalidInputError,
    UnavailableError,
    UnknownModelError,
)
from motioncast.wire.images import Pixels, decode_image
from motioncast.wire.keypoints import Keypoints, decode_keypoints


class ModelCalls:
    """Runs models and ensembles of an engine, which may be on another machine."""

    def __init__(self, engine: MeasuredEngine, call_timeout_seconds: float) -> None:
        self._engine = engine
        self._call_timeout_seconds = call_timeout_seconds

    async def run(
        self, model: str, inputs: Mapping[str, Array], deadline: Deadline
    ) -> Answer[Inference]:
        """Runs a model or an ensemble once.

        Raises:
            UnavailableError: The engine does not answer, or not in time.
            DeadlineError: The deadline passed.
            InvalidInputError, UnknownModelError: The engine refused.
        """
        limit, started = self._call_timeout_seconds, perf_counter()
        until = Deadline.after(limit).earlier(deadline)
        try:
            inference = await self._infer(model, inputs, until)
        except DeadlineError:
            if deadline.remaining_seconds() == 0:
                raise
            raise UnavailableError(
                f"{model} did not answer within {limit:g} s",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from None
        except (InvalidInputError, UnknownModelError) as error:
            # The error's field is an input of the model, which means nothing to our client.
            raise type(error)(f"{model} was refused: {error}") from error
        return Answer(inference, milliseconds_since(started))

    async def _infer(self, model: str, inputs: Mapping[str, Array], until: Deadline) -> Inference:
        """Returns the outcome of a run; retries in time when the engine has no room."""
        for pause in pauses():
            try:
                return await self._engine.infer(model, inputs, until.remaining_seconds())
            except ExhaustedError as error:
                left = until.remaining_seconds() or 0.0
                if error.retry_after_seconds is None or pause >= left:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("pauses never end")


class SessionCalls:
    """The same under a session's deadline, each run timed as a stage of a stretch."""

    def __init__(self, calls: ModelCalls, deadline: Deadline) -> None:
        self._calls = calls
        self._deadline = deadline

    async def run(
        self, stage: str, model: str, inputs: Mapping[str, Array], timings: StageTimings
    ) -> Inference:
        """Runs a model once, like `ModelCalls.run`, and adds its time to a stage's timings."""
        answer = await self._calls.run(model, inputs, self._deadline)
        for name, milliseconds in (
            (f"{stage}_ms", answer.milliseconds),
            (f"{stage}_inference_ms", 1000 * answer.response.seconds),
        ):
            setattr(timings, name, getattr(timings, name) + milliseconds)
        return answer.response


def inputs_of(source: SourceImage, models: ModelSet) -> dict[str, Array]:
    """Returns a source as inputs of a model: `source_image` and `source_keypoints`."""
    image = decode_image(source.image, models.height, models.width)
    keypoints = decode_keypoints(source.keypoints, models.keypoints)
    return {"source_image": image[np.newaxis], "source_keypoints": keypoints[np.newaxis]}


async def detect(
    models: ModelSet,
    calls: SessionCalls,
    images: Pixels,
    source: Mapping[str, Array] | None,
    timings: StageTimings,
) -> Keypoints:
    """Returns the keypoints (N, K, 3) of images (N, H, W, 3).

    Args:
        models: The model configuration.
        calls: Runs its models.
        images: The images.
        source: What they are registered with, as `inputs_of` returns it; None for no registration.
            Has no effect if the configuration has no registration model.
        timings: Where both runs are added to the keypoint stage.
    """
    run = await calls.run("keypoint", models.keypoint_model, {"image": images}, timings)
    found: Keypoints = run["keypoints"]
    if source is None or models.registration_model is None:
        return found
    inputs = {**source, "image": images, "keypoints": found}
    run = await calls.run("keypoint", models.registration_model, inputs, timings)
    registered: Keypoints = run["registered"]
    return registered
