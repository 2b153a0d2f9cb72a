"""The predictor's recurrence along one session's timeline: supplies keypoints not observed.

    fill       a stretch with gaps -> keypoints of every frame: forecast or interpolated
    catch_up   lets the predictor process frames that it has not seen
    correct    inserts frames that arrived too late where they belong
    take       continues from a predictor's output, also when it ran as part of an ensemble

A `Transport` reaches the predictor: the service, or a model of an engine
(`motioncast.orchestrator.transports`). When the predictor sees frames, and what is cut, held,
stated and counted as an error, is decided here for both, so sessions behave the same with either.

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
    """A predictor's output for a span.

    Attributes:
        forecast: (T, K, 3); meaningful where nothing was observed.
        half_widths: Per frame (K, 3), of the 90 % interval; None where there is none.
        errors: One-step forecast errors of the observed frames, in order.
        state: To continue from; only the transport knows its contents.
    """

    forecast: Keypoints
    half_widths: tuple[Keypoints | None, ...]
    errors: list[float]
    state: State


class Transport(Protocol[State]):
    """Access to a predictor."""

    async def predict(self, span: Span, state: State | None, timings: StageTimings) -> Told[State]:
        """Advances the predictor over a span.

        Args:
            span: Starts where the previous one ended; at least one frame.
            state: The state after the previous span; None at the start of the timeline, which has
                to be an observed frame.
            timings: The call's time is added to it.

        Raises the same errors as `Pipeline`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """A stretch without gaps.

    Attributes:
        keypoints: (T, K, 3).
        half_widths: Per frame (K, 3), of the 90 % interval; None where the frame was not forecast
            or no interval is stated.
        errors: One-step forecast errors of the observed frames that the predictor processed now.
        interpolated: Positions of frames interpolated between observed ones instead of forecast.
    """

    keypoints: Keypoints
    half_widths: list[Keypoints | None]
    errors: list[float]
    interpolated: frozenset[int] = frozenset()

    def without(self, count: int) -> Filled:
        """Returns a copy without the first `count` frames, of a stretch that interpolates none."""
        return replace(self, keypoints=self.keypoints[count:], half_widths=self.half_widths[count:])


class Recurrence(Generic[State]):
    """Fills one session's gaps, stretch after stretch; keeps the predictor's state in between.

    `motioncast.timeline.unseen` decides when the predictor sees which frames.

    Args:
        transport: Access to the predictor.
        delay_frames: A missing frame is interpolated between the observed frames around it if the
            later one arrives within so many frames; the predictor continues as if it had forecast
            it.
        late: Whether frames may arrive after they were forecast, see `correct`.

    Attributes:
        state: The predictor's, after everything that it has processed; None before that.
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
        """Whether the predictor has processed every observed frame."""
        return self._unseen.span is None

    def go_on(self, state: State) -> None:
        """Continues from a state that covers every frame so far."""
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
            hold: (K, 3), the source's keypoints, used for frames before the first observed one.
            timings: The predictor's time is added to it.
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
        """Records consecutive observed frames; the predictor processes them once there are many.

        Returns the forecast errors of those that it processed now.
        """
        return [] if self._unseen.note(observed) is None else await self.catch_up(timings)

    async def catch_up(self, timings: StageTimings) -> list[float]:
        """Lets the predictor process the frames not seen yet; returns their forecast errors."""
        span = self._unseen.span
        if span is None:
            return []
        return self.take(span, await self._transport.predict(span, self.state, timings)).errors

    async def correct(self, late: Mapping[int, Keypoints], timings: StageTimings) -> None:
        """Inserts frames (K, 3), by index, that arrived after they were forecast.

        Later forecasts take them into account.
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
        """Catches up once in TOKEN_FRAMES frames, to limit what another server has to recompute.

        When it does depends only on the stretch's indices, `start` to `end`, however stretches are
        merged. If the predictor does not answer, the session continues without it as long as it
        forecasts nothing.
        """
        if self._away or start // TOKEN_FRAMES == end // TOKEN_FRAMES:
            return []
        try:
            return await self.catch_up(timings)
        except UnavailableError:
            self._away = True
            return []

    def take(self, span: Span, told: Told[State]) -> Filled:
        """Continues from a predictor's output for a span, which it processed from `state` on."""
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
    """Returns a copy without the frames that the previous stretch contained."""
    return replace(
        filled, keypoints=filled.keypoints[-count:], half_widths=filled.half_widths[-count:]
    )
