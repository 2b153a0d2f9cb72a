"""What all callers of a predictor model share: its noise, and how its forecast is read.

A forecast is evaluated as it is used, clipped to the range of keypoints: the error compares the
observed frame with what would have been rendered, not with the model's raw output.

Shapes: N sample paths, T frames, M observed ones of them, K keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motioncast.inference.engine import Array
from motioncast.timeline.ranges import clip_keypoints
from motioncast.timeline.span import Span
from motioncast.wire.keypoints import Keypoints


@dataclass(frozen=True, slots=True)
class Forecast:
    """A predictor model's output for a span.

    Attributes:
        paths: (N, T, K, 3), every frame forecast from the ones before, clipped to the range of
            keypoints.
        half_widths: Per frame (K, 3): half the width of the 90 % interval around each coordinate of
            the forecast, mean over the paths; None where the model states none.
        state: (N, S), after the span.
    """

    paths: Keypoints
    half_widths: tuple[Keypoints | None, ...]
    state: Array

    @classmethod
    def of(cls, outputs: Mapping[str, Array]) -> Forecast:
        """Reads the outputs of a predictor model.

        Raises:
            ArithmeticError: They contain NaN or infinity.
        """
        forecast, state = outputs["forecast"], outputs["next_state"]
        if not (np.isfinite(forecast).all() and np.isfinite(state).all()):
            raise ArithmeticError("the forecast is not finite")
        stated = _stated(outputs.get("half_width90"), forecast.shape[1])
        return cls(clip_keypoints(forecast), stated, state)

    def errors(self, span: Span) -> NDArray[np.float32]:
        """Returns the distance of each observed frame from its forecast, (M,).

        See `forecast_errors`. It is meaningless for the first frame of a timeline, which nothing
        forecasts.
        """
        return forecast_errors(self.paths[:, span.observed], span.keypoints[span.observed])


def noise(
    seed: int | None, start: int, length: int, samples: int, size: int
) -> NDArray[np.float32]:
    """Returns standard normal noise (samples, length, size); zeros without a seed.

    A frame's noise depends only on the seed and the frame's index. So a repeated call, another
    replica, and a timeline divided into other calls all give the same path; and a path does not
    depend on how many others are drawn.
    """
    values = np.zeros((samples, length, size), np.float32)
    if seed is not None:
        for t in range(length):
            generator = np.random.default_rng([seed, start + t])  # PCG64
            values[:, t] = generator.standard_normal((samples, size), dtype=np.float32)
    return values


def forecast_errors(forecast: Keypoints, observed: Keypoints) -> NDArray[np.float32]:
    """Returns the distance of observed keypoints (M, K, 3) from their forecast (N, M, K, 3), (M,).

    It is the mean distance of x and y over keypoints and sample paths, with the forecast clipped to
    the range of keypoints, as it would be used.
    """
    offsets = clip_keypoints(forecast)[..., :2] - observed[..., :2]
    distances = np.hypot(offsets[..., 0], offsets[..., 1])  # (N, M, K)
    # Frame by frame, so that an error is rounded in the same way whatever else is measured.
    errors = [distances[:, m].mean() for m in range(len(observed))]
    return np.array(errors, np.float32)


def _stated(half_widths: Keypoints | None, length: int) -> tuple[Keypoints | None, ...]:
    """Returns half-widths (N, T, K, 3) as one set per frame; None where nothing is stated.

    A model that was never calibrated states zeros.
    """
    if half_widths is None:
        return (None,) * length
    return tuple(one if one.any() else None for one in half_widths.mean(axis=0))
