"""Two ways to run the predictor: the service over gRPC, and a model of an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from motioncast.inference import ModelSet
from motioncast.inference.engine import Array
from motioncast.inference.forecast import Forecast, noise
from motioncast.orchestrator.backends import Answer
from motioncast.orchestrator.models import SessionCalls
from motioncast.orchestrator.recurrence import Told
from motioncast.timeline.span import Span
from motioncast.v1.common_pb2 import KeypointSet
from motioncast.v1.motion_transfer_pb2 import StageTimings
from motioncast.v1.predictor_pb2 import (
    ObservedFrame,
    PredictorState,
    PredictRequest,
    PredictResponse,
)
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints, encode_keypoints

Predict = Callable[[PredictRequest], Awaitable[Answer[PredictResponse]]]

_ONE_PATH = 1
_LITTLE_ENDIAN = np.dtype("<f4")


class ServiceTransport:
    """Calls the predictor service; see `Transport`. The state is the service's message.

    Args:
        predict: Calls the service.
        model: Name of the model configuration.
        seed: Seed of the noise; None for the mean path.
    """

    def __init__(self, predict: Predict, model: str, seed: int | None) -> None:
        self._predict = predict
        self._model = model
        self._seed = seed

    async def predict(
        self, span: Span, state: PredictorState | None, timings: StageTimings
    ) -> Told[PredictorState]:
        """Calls the service once."""
        seen = np.flatnonzero(span.observed).tolist()
        length = len(span.observed)
        request = PredictRequest(
            model=self._model,
            observed=[
                ObservedFrame(index=span.start + t, keypoints=encode_keypoints(span.keypoints[t]))
                for t in seen
            ],
            horizon=length - (seen[-1] + 1 if seen else 0),
            state=state,
            seed=self._seed,
        )
        answer = await self._predict(request)
        response = answer.response
        timings.predictor_ms += answer.milliseconds
        timings.predictor_inference_ms += response.inference_ms
        forecast = np.zeros_like(span.keypoints)
        half_widths: list[Keypoints | None] = [None] * length
        for frame in response.predicted:
            t = frame.index - span.start
            forecast[t] = _values(frame.samples[0])
            if frame.HasField("half_width90"):
                half_widths[t] = _values(frame.half_width90)
        errors = list(response.observed_error)
        return Told(forecast, tuple(half_widths), errors, response.state)


class EngineTransport:
    """Runs the predictor model of an engine; see `Transport`. The state is the model's, (1, S).

    Args:
        models: The model configuration.
        calls: Runs the models.
        seed: Seed of the noise; None for the mean path.
    """

    def __init__(self, models: ModelSet, calls: SessionCalls, seed: int | None) -> None:
        self._models = models
        self._calls = calls
        self._seed = seed

    async def predict(self, span: Span, state: Array | None, timings: StageTimings) -> Told[Array]:
        """Runs the model once."""
        inputs = {
            "keypoints": span.keypoints[np.newaxis],
            **self.inputs(span.start, span.observed, state),
        }
        run = await self._calls.run("predictor", self._models.predictor_model, inputs, timings)
        return self.told(run.outputs, span)

    def pack(self, state: Array, next_index: int) -> PredictorState:
        """Returns a state that covers the frames before `next_index` in the service's format."""
        vector = state[0].astype(_LITTLE_ENDIAN, copy=False).tobytes()
        return PredictorState(model=self._models.name, next_index=next_index, vectors=[vector])

    def unpack(self, message: PredictorState) -> Array:
        """Returns the state in a message; InvalidInputError for the state of another model."""
        vector = np.frombuffer(b"".join(message.vectors), _LITTLE_ENDIAN)
        if message.model != self._models.name or vector.shape != (self._models.state,):
            raise InvalidInputError.of("state", f"is not a state of {self._models.name}")
        return vector.astype(np.float32)[np.newaxis]

    def inputs(
        self, start: int, observed: NDArray[np.bool_], state: Array | None
    ) -> dict[str, Array]:
        """Returns the inputs of a run over T frames, except the keypoints.

        Args:
            start: Index of the first frame.
            observed: (T,), whether each frame was observed.
            state: After the frames before; None at the start of the timeline.
        """
        length, size = len(observed), self._models.noise_size
        if state is None:
            state = np.zeros((_ONE_PATH, self._models.state), np.float32)
        return {
            "observed": observed.astype(np.float32)[np.newaxis],
            "noise": noise(self._seed, start, length, _ONE_PATH, size),
            "state": state,
        }

    def told(self, outputs: Mapping[str, Array], span: Span) -> Told[Array]:
        """Reads the outputs of a run over a span, of the predictor or of an ensemble containing it.

        Raises:
            ArithmeticError: The outputs contain NaN or infinity.
        """
        try:
            forecast = Forecast.of(outputs)
        except ArithmeticError as error:
            raise ArithmeticError(f"{self._models.predictor_model}: {error}") from error
        errors: list[float] = forecast.errors(span).tolist()
        return Told(forecast.paths[0], forecast.half_widths, errors, forecast.state)


def _values(message: KeypointSet) -> Keypoints:
    """Returns the values of our own service, (K, 3), unchecked: half-widths have no range."""
    return np.array([message.x, message.y, message.intensity], np.float32).T
