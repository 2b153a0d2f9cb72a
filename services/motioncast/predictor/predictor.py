"""The predictor: one recurrence along the timeline, over observed frames and past them.

observed t     x_t = keypoints[t]
predicted t    x_t = forecast[t], the model's own: it runs free
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motioncast.inference import MeasuredEngine, ModelSet
from motioncast.inference.forecast import forecast_errors, is_finite, noise, stated_interval
from motioncast.predictor.span import Span
from motioncast.predictor.state import State, initial_vectors
from motioncast.serving import Deadline
from motioncast.timeline.ranges import clip_keypoints
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was forecast over a span of T frames.

    Attributes:
        forecast: (samples, T, K, 3), of every frame from those before it.
        state: After the span.
        seconds: That the model ran.
        half_width90: (T, K, 3), half the width of the 90 % interval around each coordinate of the
            forecast, mean over the sample paths; None when the model states none.
    """

    forecast: Keypoints
    state: State
    seconds: float
    half_width90: Keypoints | None = None

    def spread(self) -> Keypoints:
        """Returns the standard deviation over the sample paths, (T, K, 3)."""
        spread: Keypoints = self.forecast.std(axis=0)
        return spread

    def errors(self, span: Span) -> NDArray[np.float32]:
        """Returns how far each observed frame lay from its forecast, (M,).

        The mean distance of x and y over keypoints and sample paths.
        """
        observed = span.observed
        return forecast_errors(self.forecast[:, observed], span.keypoints[observed])


class Predictor:
    """Forecasts with the models of an engine."""

    def __init__(self, engine: MeasuredEngine) -> None:
        self._engine = engine

    async def predict(
        self,
        models: ModelSet,
        span: Span,
        state: State | None,
        samples: int,
        seed: int | None,
        deadline: Deadline,
    ) -> Prediction:
        """Advances the recurrence over a span.

        Args:
            models: The configuration.
            span: T frames, 0 or more.
            state: From before the span; None where the timeline starts.
            samples: Paths, as many as the state has.
            seed: Of the noise; None for the mean path.
            deadline: The caller's.

        Raises:
            InvalidInputError: The state leads nowhere finite.
            DeadlineError: Time ran out.
        """
        vectors = initial_vectors(models, samples) if state is None else state.vectors
        length = len(span.observed)
        if length == 0:
            nothing = np.empty((samples, *span.keypoints.shape), np.float32)
            return Prediction(nothing, State(span.start, vectors), 0.0)
        paths = (samples, *span.keypoints.shape)
        run = await self._engine.infer(
            models.predictor_model,
            {
                "keypoints": np.broadcast_to(span.keypoints, paths),
                "observed": np.broadcast_to(span.observed.astype(np.float32), paths[:2]),
                "noise": noise(seed, span.start, length, samples, models.noise_size),
                "state": vectors,
            },
            deadline.remaining_seconds(),
        )
        forecast, vectors = run["forecast"], run["next_state"]
        if not is_finite(run.outputs):
            if state is None:
                raise ArithmeticError(f"{models.predictor_model}: the forecast is not finite")
            raise InvalidInputError.of("state", "leads to a forecast that is not finite")
        return Prediction(
            clip_keypoints(forecast),
            State(span.end, vectors),
            run.seconds,
            stated_interval(run.outputs.get("half_width90")),
        )
