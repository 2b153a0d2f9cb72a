"""Calls of an engine's models, with a time limit and the errors that the orchestrator expects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter

from motioncast.inference import Inference, MeasuredEngine
from motioncast.inference.engine import Array
from motioncast.orchestrator.backends import Answer
from motioncast.orchestrator.pipeline import milliseconds_since
from motioncast.orchestrator.service_failures import RETRY_AFTER_SECONDS
from motioncast.replicas.pool import pauses
from motioncast.serving import Deadline
from motioncast.v1.motion_transfer_pb2 import StageTimings
from motioncast.wire.errors import (
    DeadlineError,
    ExhaustedError,
    InvalidInputError,
    UnavailableError,
    UnknownModelError,
)


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
