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
        forecast = self.forecast[:, stretch.observed, :, :2]
        offsets = forecast - stretch.keypoints[stretch.observed, :, :2]
        distances: NDArray[np.float32] = np.hypot(offsets[..., 0], offsets[..., 1])
        errors: NDArray[np.float32] = distances.mean(axis=(0, 2))
        return errors


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
        if not (np.isfinite(forecast).all() and np.isfinite(vectors).all()):
            if state is None:
                raise ArithmeticError(f"{models.predictor_model}: the forecast is not finite")
            raise InvalidInputError.of("state", "leads to a forecast that is not finite")
        # Whoever forecasts motion overshoots; a keypoint past the border is not one.
        return Prediction(
            np.clip(forecast, _LOWEST, _HIGHEST),
            State(stretch.end, vectors),
            run.seconds,
            _stated_interval(run.outputs.get("half_width90")),
        )


def _stated_interval(half_widths: NDArray[np.float32] | None) -> Keypoints | None:
    """Returns half-widths (samples, T, K, 3) as one set per frame; None where nothing is stated.

    A model that was never calibrated states zeros.
    """
    if half_widths is None or not half_widths.any():
        return None
    stated: Keypoints = half_widths.mean(axis=0)
    return stated


def noise(
    seed: int | None, start: int, length: int, samples: int, size: int
) -> NDArray[np.float32]:
    """Returns standard normal noise (samples, length, size); zeros without a seed.

    The noise of a frame follows from the seed and the frame's index alone. So a call that is
    repeated, another replica, and a timeline that is cut into other calls all give the same path;
    and a path does not depend on how many others are drawn.
    """
    values = np.zeros((samples, length, size), np.float32)
    if seed is not None:
        for t in range(length):
            generator = np.random.default_rng([seed, start + t])  # PCG64
            values[:, t] = generator.standard_normal((samples, size), dtype=np.float32)
    return values
