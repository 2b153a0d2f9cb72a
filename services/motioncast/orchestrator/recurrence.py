"""The predictor's recurrence along one session's timeline: it supplies what was not observed.

    fill       a stretch with gaps -> keypoints of every frame
    catch_up   lets the predictor see what it has not
    take       goes on from what a predictor told: also one that ran within something larger

How the predictor is reached is a `Transport`: the service, or a model of an engine
(`motioncast.orchestrator.transports`). What is seen when, what is cut, held, stated and counted as
an error is here, once, so that a session is the same by either.

Shapes: T frames, K keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, TypeVar

import numpy as np

from motioncast.orchestrator.settings import MAX_STRETCH_FRAMES
from motioncast.timeline.span import Span
from motioncast.v1.motion_transfer_pb2 import StageTimings
from motioncast.wire.keypoints import Keypoints

MAX_OBSERVED: Final = 256  # frames of one call of the predictor

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Told(Generic[State]):
    """What a predictor tells of a span.

    Attributes:
        forecast: (T, K, 3); counts where nothing was observed.
        half_widths: Of each frame, (K, 3), of the 90 % interval; None where there is none.
        errors: One-step forecast errors of the observed frames, in their order.
        state: To go on from; only the transport knows what is in it.
    """

    forecast: Keypoints
    half_widths: tuple[Keypoints | None, ...]
    errors: list[float]
    state: State


class Transport(Protocol[State]):
    """The way to a predictor."""

    async def predict(self, span: Span, state: State | None, timings: StageTimings) -> Told[State]:
        """Lets the predictor advance over a span.

        Args:
            span: Starts where the one before ended; at least one frame.
            state: After the one before; None where the timeline starts, with an observed frame.
            timings: Gets what it took.

        Raises as `Pipeline` does.
        """
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """A stretch without gaps.

    Attributes:
        keypoints: (T, K, 3).
        half_widths: Of each frame, (K, 3), of the 90 % interval; None where it was not forecast, or
            no interval is stated.
        errors: One-step forecast errors of the observed frames that the predictor has seen now.
    """

    keypoints: Keypoints
    half_widths: list[Keypoints | None]
    errors: list[float]


class Recurrence(Generic[State]):
    """Fills one session's gaps, stretch after stretch; keeps the predictor's state in between.

    The predictor has to see every observed frame, but only before it forecasts: where nothing is
    missing, observed frames wait here for the next gap, at most MAX_OBSERVED of them. A session
    that sends every frame pays for one call in 200 frames.

    Args:
        transport: The way to the predictor.

    Attributes:
        state: Of the predictor, after all that it has seen; None before that.
    """

    def __init__(self, transport: Transport[State]) -> None:
        self._transport = transport
        self.state: State | None = None
        self._unseen: Span | None = None  # observed frames only

    @property
    def started(self) -> bool:
        """Whether any frame was observed."""
        return self.state is not None or self._unseen is not None

    async def fill(self, stretch: Span, hold: Keypoints, timings: StageTimings) -> Filled:
        """Returns the keypoints of every frame of a stretch.

        Args:
            stretch: The timeline's next frames.
            hold: (K, 3), for frames before the first observed one: the source's.
            timings: Gets what it took.
        """
        length = len(stretch.observed)
        held = 0 if self.started else stretch.leading_gap
        rest = stretch.part(held, length)
        if rest.observed.all():
            errors = await self.note(rest, timings) if held < length else []
            filled = Filled(rest.keypoints, [None] * (length - held), errors)
        else:
            span = rest if self._unseen is None else self._unseen.followed_by(rest)
            told = await self._transport.predict(span, self.state, timings)
            filled = _last(self.take(span, told), length - held)
        before = np.repeat(hold[np.newaxis], held, axis=0)
        return replace(
            filled,
            keypoints=np.concatenate([before, filled.keypoints]),
            half_widths=[*[None] * held, *filled.half_widths],
        )

    async def note(self, observed: Span, timings: StageTimings) -> list[float]:
        """Takes observed frames in a row; the predictor sees them if they have become many.

        Returns the forecast errors of those that it has seen now.
        """
        self._unseen = observed if self._unseen is None else self._unseen.followed_by(observed)
        if len(self._unseen.observed) + MAX_STRETCH_FRAMES <= MAX_OBSERVED:
            return []
        return await self.catch_up(timings)

    async def catch_up(self, timings: StageTimings) -> list[float]:
        """Lets the predictor see the frames that it has not; returns their forecast errors."""
        if self._unseen is None:
            return []
        span = self._unseen
        return self.take(span, await self._transport.predict(span, self.state, timings)).errors

    def take(self, span: Span, told: Told[State]) -> Filled:
        """Goes on from what a predictor told of a span, which it saw from `state` on."""
        # Nothing forecasts the first frame of a timeline.
        errors = told.errors if self.state is not None else told.errors[1:]
        self.state, self._unseen = told.state, None
        half_widths = [
            None if seen else one for seen, one in zip(span.observed, told.half_widths, strict=True)
        ]
        return Filled(span.filled(told.forecast), half_widths, errors)


def _last(filled: Filled, count: int) -> Filled:
    """Returns the same without the keypoints of frames that a stretch before had."""
    return replace(
        filled, keypoints=filled.keypoints[-count:], half_widths=filled.half_widths[-count:]
    )
