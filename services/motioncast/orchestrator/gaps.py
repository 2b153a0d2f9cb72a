"""Gap filling: the predictor supplies the keypoints of the frames that were not observed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from motioncast.orchestrator.backends import Answer
from motioncast.orchestrator.settings import MAX_STRETCH_FRAMES
from motioncast.v1.common_pb2 import KeypointSet
from motioncast.v1.predictor_pb2 import (
    ObservedFrame,
    PredictorState,
    PredictRequest,
    PredictResponse,
)

MAX_OBSERVED: Final = 256  # of one PredictRequest

Predict = Callable[[PredictRequest], Awaitable[Answer[PredictResponse]]]


@dataclass(frozen=True, slots=True)
class Filled:
    """A stretch without gaps.

    Attributes:
        keypoints: One set for each frame of the stretch.
        half_widths: Of the 90 % interval around them; None where there is no interval.
        errors: One-step forecast errors of the observed frames that the predictor has seen now.
        milliseconds: The call as seen from here; 0 when nothing called for it.
        inference_ms: Of that, the time spent in the model.
    """

    keypoints: list[KeypointSet]
    half_widths: list[KeypointSet | None]
    errors: list[float]
    milliseconds: float = 0.0
    inference_ms: float = 0.0


class GapFiller:
    """Fills one session's gaps, stretch after stretch; keeps the predictor's state in between.

    The predictor is one recurrence along the timeline, so it has to see every observed frame, but
    only before it forecasts: where nothing is missing, observed frames wait here for the next gap,
    at most MAX_OBSERVED of them. A session that sends every frame pays for one call in 200 frames.

    Args:
        predict: Calls the predictor service.
        model: Name of the model configuration.
        seed: Seed of the predictor's noise; None for the mean path.
    """

    def __init__(self, predict: Predict, model: str, seed: int | None) -> None:
        self._predict = predict
        self._model = model
        self._seed = seed
        self._unseen: list[ObservedFrame] = []  # by the predictor
        self._state: PredictorState | None = None

    async def fill(
        self, start: int, known: Sequence[KeypointSet | None], hold: KeypointSet
    ) -> Filled:
        """Returns the keypoints of the frames from `start` on, where None stands for a gap.

        Those before the first observed frame are `hold`, the source's.
        """
        keypoints = list(known)
        if not self._started:
            for offset in range(_leading(known)):
                keypoints[offset] = hold
        self._unseen += [
            ObservedFrame(index=start + offset, keypoints=one)
            for offset, one in enumerate(known)
            if one is not None
        ]
        if None not in keypoints and len(self._unseen) + MAX_STRETCH_FRAMES <= MAX_OBSERVED:
            return Filled(
                [one for one in keypoints if one is not None], [None] * len(keypoints), []
            )
        return await self._call(start, keypoints)

    @property
    def _started(self) -> bool:
        return self._state is not None or bool(self._unseen)

    async def _call(self, start: int, keypoints: list[KeypointSet | None]) -> Filled:
        end = start + len(keypoints)
        seen_until = self._unseen[-1].index + 1 if self._unseen else start
        request = PredictRequest(
            model=self._model,
            observed=self._unseen,
            horizon=end - seen_until,
            state=self._state,
            seed=self._seed,
        )
        answer = await self._predict(request)
        response = answer.response
        half_widths: list[KeypointSet | None] = [None] * len(keypoints)
        for frame in response.predicted:
            keypoints[frame.index - start] = frame.samples[0]
            if frame.HasField("half_width90"):
                half_widths[frame.index - start] = frame.half_width90
        errors = list(response.observed_error)
        if self._state is None:
            del errors[:1]  # nothing forecasts the first frame of a timeline
        self._state = response.state
        self._unseen = []
        return Filled(
            [one for one in keypoints if one is not None],
            half_widths,
            errors,
            answer.milliseconds,
            response.inference_ms,
        )


def _leading(known: Sequence[KeypointSet | None]) -> int:
    """Returns how many frames stand before the first known one."""
    return next((offset for offset, one in enumerate(known) if one is not None), len(known))
