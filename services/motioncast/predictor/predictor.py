"""The predictor: one recurrence along the timeline, over observed frames and beyond them.

observed t     x_t = keypoints[t]
predicted t    x_t = forecast[t], the model's own output (free running)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motioncast.inference import MeasuredEngine, ModelSet
from motioncast.inference.forecast import Forecast, noise
from motioncast.predictor.state import State, initial_vectors
from motioncast.serving import Deadline
from motioncast.timeline.span import Span
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints


@dataclass(frozen=True, slots=True)
class Prediction:
    """The forecast over a span, and the state of the recurrence after it."""

    forecast: Forecast
    state: State
    seconds: float  # duration of the model's run

    def spread(self) -> Keypoints:
        """Returns the standard deviation over the sample paths, (T, K, 3)."""
        spread: Keypoints = self.forecast.paths.std(axis=0)
        return spread


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
            models: The model configuration.
            span: T frames, 0 or more.
            state: From before the span; None at the start of the timeline.
            samples: Number of sample paths, the same as in the state.
            seed: Seed of the noise; None for the mean path.
            deadline: The caller's deadline.

        Raises:
            InvalidInputError: The state leads to values that are not finite.
            DeadlineError: Time ran out.
        """
        vectors = initial_vectors(models, samples) if state is None else state.vectors
        length = len(span.observed)
        if length == 0:
            nothing = np.empty((samples, *span.keypoints.shape), np.float32)
            return Prediction(Forecast(nothing, (), vectors), State(span.start, vectors), 0.0)
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
        try:
            forecast = Forecast.of(run.outputs)
        except ArithmeticError as error:
            if state is None:
                raise ArithmeticError(f"{models.predictor_model}: {error}") from error
            raise InvalidInputError.of(
                "state", "results in a forecast that is not finite"
            ) from error
        return Prediction(forecast, State(span.end, forecast.state), run.seconds)
