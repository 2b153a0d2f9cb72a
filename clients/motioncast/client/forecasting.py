"""The receiver's predictor on this machine, for a sender that gates by it.

    predictor = KeypointPredictor("model_repository/face256_predictor/1/model.onnx")
    gate = Gate(bound_pixels=1.0, forecaster=predictor)

The mean path: no noise. ONNX Runtime gives the same bits on one machine whatever its threads, and
2e-5 pixels off on another one: sender and receiver may forecast on different machines. Needs
`pip install 'motioncast[device]'`.

Shapes: K keypoints (x, y, intensity), S state.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motioncast.client.errors import MediaError
from motioncast.client.onnx import open_model
from motioncast.client.types import Keypoints
from motioncast.timeline.ranges import clip_keypoints


@dataclass(frozen=True, slots=True, eq=False)
class PredictorState:
    """What a predictor remembers before a frame."""

    state: NDArray[np.float32]  # (1, S)
    known: bool  # whether a frame has been observed
    ahead: tuple[Keypoints, NDArray[np.float32]]  # forecast of the frame, state past it unobserved


class KeypointPredictor:
    """Forecasts keypoints with a `<configuration>_predictor` model; a `sending.Forecaster`.

    Args:
        model: Path of its `model.onnx`.
        threads: Threads that one call uses; 0 for one per core.

    Attributes:
        keypoints: K.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        MediaError: The file is not there or is no predictor model.
    """

    def __init__(self, model: str | PathLike[str], *, threads: int = 1) -> None:
        self._session = open_model(model, threads, "a predictor model")
        sizes = {one.name: one.shape for one in self._session.get_inputs()}
        outputs = {one.name for one in self._session.get_outputs()}
        inputs = {"keypoints", "observed", "noise", "state"}
        if set(sizes) != inputs or not {"forecast", "next_state"} <= outputs:
            raise MediaError(f"{Path(model)}: not a predictor model")
        self.keypoints: int = sizes["keypoints"][2]
        self._noise = np.zeros((1, 1, sizes["noise"][2]), np.float32)
        self._empty = np.zeros((1, sizes["state"][1]), np.float32)

    def begin(self) -> PredictorState:
        """Returns the state before any frame."""
        return self._before(self._empty, known=False)

    def forecast(self, state: PredictorState) -> Keypoints | None:
        """Returns the next frame (K, 3); None before the first one that was observed."""
        return state.ahead[0] if state.known else None

    def after(self, state: PredictorState, keypoints: Keypoints | None) -> PredictorState:
        """Returns the state past the next frame: observed (K, 3), or None."""
        if keypoints is None:
            return self._before(state.ahead[1], known=state.known)
        _, informed = self._run(keypoints, state.state, observed=True)
        return self._before(informed, known=True)

    def _before(self, state: NDArray[np.float32], *, known: bool) -> PredictorState:
        unseen = np.zeros((self.keypoints, 3), np.float32)
        return PredictorState(state, known, self._run(unseen, state, observed=False))

    def _run(
        self, keypoints: Keypoints, state: NDArray[np.float32], *, observed: bool
    ) -> tuple[Keypoints, NDArray[np.float32]]:
        given: dict[str, Any] = {
            "keypoints": keypoints[np.newaxis, np.newaxis],
            "observed": np.full((1, 1), observed, np.float32),
            "noise": self._noise,
            "state": state,
        }
        forecast, after = self._session.run(["forecast", "next_state"], given)
        return clip_keypoints(forecast[0, 0]), after
