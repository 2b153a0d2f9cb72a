"""The receiver's predictor, run locally: for a sender's gate, and for a live receiver.

    predictor = KeypointPredictor("model_repository/face256_predictor/1/model.onnx")
    gate = Gate(bound_pixels=1.0, forecaster=predictor)

Forecasts follow the mean path: no noise. ONNX Runtime gives the same bits on one machine whatever
the number of threads, and is 2e-5 pixels off on another: sender and receiver may run on different
machines. Needs `pip install 'motioncast[device]'`.

Shapes: K keypoints (x, y, intensity), S state.
"""

from __future__ import annotations

from functools import cached_property
from os import PathLike

import numpy as np

from motioncast.client.rendering import FramePredictor, Predictor, State
from motioncast.client.types import Keypoints


class PredictorState:
    """The predictor's state before a frame, once a frame has been observed."""

    def __init__(self, predictor: Predictor, keypoints: int, state: State) -> None:
        self._predictor = predictor
        self._unseen = np.zeros((1, keypoints, 3), np.float32)
        self.state = state  # (1, S)

    @cached_property
    def ahead(self) -> tuple[Keypoints, State]:
        """Forecast of the frame (K, 3), and the state after it if it is not observed."""
        forecast, after = self._predictor.advance(self._unseen, np.zeros(1, np.bool_), self.state)
        return forecast[0], after


class Forecasting:
    """A predictor as a `motioncast.sending.Forecaster`.

    Args:
        predictor: The predictor that advances along a timeline.
        keypoints: K.
    """

    def __init__(self, predictor: Predictor, keypoints: int) -> None:
        self._predictor = predictor
        self.keypoints = keypoints

    def begin(self) -> PredictorState | None:
        """Returns the state before any frame."""
        return None

    def forecast(self, state: PredictorState | None) -> Keypoints | None:
        """Returns the next frame (K, 3); None before the first observed frame."""
        return None if state is None else state.ahead[0]

    def after(
        self, state: PredictorState | None, keypoints: Keypoints | None
    ) -> PredictorState | None:
        """Returns the state after the next frame: observed (K, 3), or None."""
        if keypoints is None:
            past = None if state is None else state.ahead[1]
        else:
            before = None if state is None else state.state
            seen = np.ones(1, np.bool_)
            _, past = self._predictor.advance(keypoints[np.newaxis], seen, before)
        return None if past is None else PredictorState(self._predictor, self.keypoints, past)


class KeypointPredictor(Forecasting):
    """Forecasts with a `<configuration>_predictor` model.

    Args:
        model: Path of its `model.onnx`.
        threads: Threads per call; 0 for one per core.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        MediaError: The file is missing or is not a predictor model.
    """

    def __init__(self, model: str | PathLike[str], *, threads: int = 1) -> None:
        predictor = FramePredictor(model, threads=threads)
        super().__init__(predictor, predictor.keypoints)
