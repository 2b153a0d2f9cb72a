"""The predictor's recurrence along one session's timeline: it supplies what was not observed.

    fill       a stretch with gaps -> keypoints of every frame: forecast, or between two observed
    catch_up   lets the predictor see what it has not
    correct    lets it see what came too late, in its place
    take       goes on from what a predictor told: also one that ran within something larger

How the predictor is reached is a `Transport`: the service, or a model of an engine
(`motioncast.orchestrator.transports`). What is seen when, what is cut, held, stated and counted as
an error is here, once, so that a session is the same by either.

Shapes: T frames, K keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np

from motioncast.orchestrator.corrections import Corrections
from motioncast.orchestrator.progress import TOKEN_FRAMES
from motioncast.orchestrator.settings import MAX_STRETCH_FRAMES
from motioncast.timeline.interpolation import Interpolation
from motioncast.timeline.span import Span
from motioncast.timeline.unseen import Unseen
from motioncast.v1.motion_transfer_pb2 import StageTimings
from motioncast.wire.errors import UnavailableError
from motioncast.wire.keypoints import Keypoints

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
        interpolated: Places of the frames that lie between observed ones instead of being forecast.
    """

    keypoints: Keypoints
    half_widths: list[Keypoints | None]
    errors: list[float]
    interpolated: frozenset[int] = frozenset()

    def without(self, count: int) -> Filled:
        """Returns the same without the first frames, of a stretch in which none is interpolated."""
        return replace(self, keypoints=self.keypoints[count:], half_widths=self.half_widths[count:])


class Recurrence(Generic[State]):
    """Fills one session's gaps, stretch after stretch; keeps the predictor's state in between.

    What the predictor sees when is the rule of `motioncast.timeline.unseen`.

    Args:
        transport: The way to the predictor.
        delay_frames: A frame that did not come lies between those observed around it where the
            later one comes so soon; the predictor goes on as if it forecast it.
        late: Whether frames may come after they were forecast, see `correct`.

    Attributes:
        state: Of the predictor, after all that it has seen; None before that.
    """

    def __init__(
        self, transport: Transport[State], delay_frames: int = 0, *, late: bool = False
    ) -> None:
        self._transport = transport
        self._interpolation = Interpolation(delay_frames)
        self.state: State | None = None
        self._unseen = Unseen(MAX_STRETCH_FRAMES)
        self._corrections: Corrections[State] | None = Corrections() if late else None
        self._away = False  # the predictor did not answer a call that could wait

    @property
    def has_seen_all(self) -> bool:
        """Whether the predictor has seen every observed frame."""
        return self._unseen.span is None

    def go_on(self, state: State) -> None:
        """Goes on from a state that has seen every frame so far."""
        self.state = state
        self._unseen.seen()

    @property
    def started(self) -> bool:
        """Whether any frame was observed."""
        return self._unseen.started

    async def fill(self, stretch: Span, hold: Keypoints, timings: StageTimings) -> Filled:
        """Returns the keypoints of every frame of a stretch.

        Args:
            stretch: The timeline's next frames.
            hold: (K, 3), for frames before the first observed one: the source's.
            timings: Gets what it took.
        """
        between, interpolated = self._interpolation.fill(stretch)
        plan = self._unseen.plan(stretch, interpolated)
        count = len(plan.rest.observed)
        filled = Filled(plan.rest.keypoints, [None] * count, [])
        if plan.span is not None:
            told = await self._transport.predict(plan.span, self.state, timings)
            taken = self.take(plan.span, told)
            filled = _last(taken, count) if plan.gaps else replace(filled, errors=taken.errors)
        before = np.repeat(hold[np.newaxis], plan.held, axis=0)
        places = np.flatnonzero(interpolated)
        keypoints = np.concatenate([before, filled.keypoints])
        keypoints[places] = between[places]
        half_widths = [*[None] * plan.held, *filled.half_widths]
        for place in places:
            half_widths[place] = None
        return replace(
            filled,
            keypoints=keypoints,
            half_widths=half_widths,
            interpolated=frozenset(places.tolist()),
        )

    async def note(self, observed: Span, timings: StageTimings) -> list[float]:
        """Takes observed frames in a row; the predictor sees them if they have become many.

        Returns the forecast errors of those that it has seen now.
        """
        return [] if self._unseen.note(observed) is None else await self.catch_up(timings)

    async def catch_up(self, timings: StageTimings) -> list[float]:
        """Lets the predictor see the frames that it has not; returns their forecast errors."""
        span = self._unseen.span
        if span is None:
            return []
        return self.take(span, await self._transport.predict(span, self.state, timings)).errors

    async def correct(self, late: Mapping[int, Keypoints], timings: StageTimings) -> None:
        """Takes frames (K, 3) that came after they were forecast, by their index.

        What is forecast from now on follows from them too.
        """
        if self._corrections is None:
            return
        anew = self._corrections.with_late(late)
        if anew is None:
            return
        state, span = anew
        told = await self._transport.predict(span, state, timings)
        self._corrections.note(state, span)
        self.state = told.state

    async def settle(self, start: int, end: int, timings: StageTimings) -> list[float]:
        """Catches up once in TOKEN_FRAMES frames: what waits would have to be made anew elsewhere.

        When, depends on the indices of the stretch alone, `start` to `end`, however stretches are
        merged. A session goes on without a predictor that does not answer, as long as it forecasts
        nothing.
        """
        if self._away or start // TOKEN_FRAMES == end // TOKEN_FRAMES:
            return []
        try:
            return await self.catch_up(timings)
        except UnavailableError:
            self._away = True
            return []

    def take(self, span: Span, told: Told[State]) -> Filled:
        """Goes on from what a predictor told of a span, which it saw from `state` on."""
        # Nothing forecasts the first frame of a timeline.
        errors = told.errors if self.state is not None else told.errors[1:]
        if self._corrections is not None:
            self._corrections.note(self.state, span)
        self.state = told.state
        self._unseen.seen()
        half_widths = [
            None if seen else one for seen, one in zip(span.observed, told.half_widths, strict=True)
        ]
        return Filled(span.filled(told.forecast), half_widths, errors)


def _last(filled: Filled, count: int) -> Filled:
    """Returns the same without the keypoints of frames that a stretch before had."""
    return replace(
        filled, keypoints=filled.keypoints[-count:], half_widths=filled.half_widths[-count:]
    )
