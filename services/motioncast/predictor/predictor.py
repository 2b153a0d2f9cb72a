"""The predictor: one recurrence along the timeline, over observed frames and past them.

observed t     x_t = keypoints[t]
predicted t    x_t = forecast[t], the model's own: it runs free
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.inference import MeasuredEngine, ModelSet
from motioncast.inference.forecast import forecast_errors, is_finite, noise, stated_interval
from motioncast.predictor.state import State, initial_vectors
from motioncast.predictor.stretch import Stretch
from motioncast.serving import Deadline
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints

_LOWEST: Final = np.array([-1, -1, 0], np.float32)  # x, y, intensity
_HIGHEST: Final = np.array([1, 1, 1], np.float32)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was forecast over a stretch of T frames.

    Attributes:
        forecast: (samples, T, K, 3), of every frame from those before it.
        state: After the stretch.
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

    def errors(self, stretch: Stretch) -> NDArray[np.float32]:
        """Returns how far each observed frame lay from its forecast, (M,).

        The mean distance of x and y over keypoints and sample paths.
        """
        observed = stretch.observed
        return forecast_errors(self.forecast[:, observed], stretch.keypoints[observed])


class Predictor:
    """Forecasts with the models of an engine."""

    def __init__(self, engine: MeasuredEngine) -> None:
        self._engine = engine

    async def predict(
        self,
        models: ModelSet,
        stretch: Stretch,
        state: State | None,
        samples: int,
        seed: int | None,
        deadline: Deadline,
    ) -> Prediction:
        """Advances the recurrence over a stretch.

        Args:
            models: The configuration.
            stretch: T frames, 0 or more.
            state: From before the stretch; None where the timeline starts.
            samples: Paths, as many as the state has.
            seed: Of the noise; None for the mean path.
            deadline: The caller's.

        Raises:
            InvalidInputError: The state leads nowhere finite.
            DeadlineError: Time ran out.
        """
        vectors = initial_vectors(models, samples) if state is None else state.vectors
        length = len(stretch.observed)
        if length == 0:
            nothing = np.empty((samples, *stretch.keypoints.shape), np.float32)
            return Prediction(nothing, State(stretch.start, vectors), 0.0)
        paths = (samples, *stretch.keypoints.shape)
        run = await self._engine.infer(
            models.predictor_model,
            {
                "keypoints": np.broadcast_to(stretch.keypoints, paths),
                "observed": np.broadcast_to(stretch.observed.astype(np.float32), paths[:2]),
                "noise": noise(seed, stretch.start, length, samples, models.noise_size),
                "state": vectors,
            },
            deadline.remaining_seconds(),
        )
        forecast, vectors = run["forecast"], run["next_state"]
        if not is_finite(run.outputs):
            if state is None:
                raise ArithmeticError(f"{models.predictor_model}: the forecast is not finite")
            raise InvalidInputError.of("state", "leads to a forecast that is not finite")
        # Whoever forecasts motion overshoots; a keypoint past the border is not one.
        return Prediction(
            np.clip(forecast, _LOWEST, _HIGHEST),
            State(stretch.end, vectors),
            run.seconds,
            stated_interval(run.outputs.get("half_width90")),
        )
