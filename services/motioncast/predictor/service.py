"""PredictorService: decodes observed frames and state, delegates, encodes forecasts and state."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from motioncast.inference import Catalogue, Engine, MeasuredEngine, ModelSet
from motioncast.predictor.predictor import Prediction, Predictor
from motioncast.predictor.span import lay_out
from motioncast.predictor.state import MAX_SAMPLES, State, decode_state, encode_state
from motioncast.serving import Context, Deadline, Metrics, Registration
from motioncast.timeline.span import Span
from motioncast.timeline.unseen import MAX_OBSERVED
from motioncast.v1.predictor_pb2 import (
    DESCRIPTOR,
    PredictedFrame,
    PredictRequest,
    PredictResponse,
)
from motioncast.v1.predictor_pb2_grpc import (
    PredictorServiceServicer,
    add_PredictorServiceServicer_to_server,
)
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import decode_keypoints, encode_keypoints
from motioncast.wire.limits import check_range

MAX_HORIZON: Final = 256


def registration(
    engine: Engine, *, default_model: str | None = None, metrics: Metrics
) -> Registration:
    """Returns the predictor service to register; see the keypoint service for the arguments."""
    predictor = Predictor(MeasuredEngine(engine, metrics.registry))
    catalogue = Catalogue(engine, default_model)
    servicer = PredictorServicer(catalogue, predictor)
    observed = MAX_OBSERVED * catalogue.largest_keypoints_bytes
    return Registration(
        name=DESCRIPTOR.services_by_name["PredictorService"].full_name,
        add=partial(add_PredictorServiceServicer_to_server, servicer),
        ready=catalogue.ready,
        max_request_bytes={"Predict": observed + MAX_SAMPLES * catalogue.largest_state_bytes},
        log_level=logging.DEBUG,
    )


class PredictorServicer(PredictorServiceServicer):
    """Answers Predict."""

    def __init__(self, catalogue: Catalogue, predictor: Predictor) -> None:
        self._catalogue = catalogue
        self._predictor = predictor

    async def Predict(self, request: PredictRequest, context: Context) -> PredictResponse:
        models = self._catalogue.resolve(request.model)
        state = decode_state(request.state, models) if request.HasField("state") else None
        span = _decode_span(request, models, state)
        samples = _samples(request, state)
        seed = request.seed if request.HasField("seed") else None
        deadline = Deadline.of(context)
        prediction = await self._predictor.predict(models, span, state, samples, seed, deadline)
        errors = prediction.forecast.errors(span)
        if state is None:
            errors[0] = 0  # nothing forecasts the first frame of a timeline
        return PredictResponse(
            predicted=_encode_predicted(prediction, span),
            state=encode_state(prediction.state, models),
            observed_error=errors.tolist(),
            inference_ms=1000 * prediction.seconds,
        )


def _decode_span(request: PredictRequest, models: ModelSet, state: State | None) -> Span:
    check_range("observed", len(request.observed), 0, MAX_OBSERVED)
    check_range("horizon", request.horizon, 0, MAX_HORIZON)
    keypoints = np.empty((len(request.observed), models.keypoints, 3), np.float32)
    for m, frame in enumerate(request.observed):
        field = f"observed[{m}].keypoints"
        keypoints[m] = decode_keypoints(frame.keypoints, models.keypoints, field)
    indices = [frame.index for frame in request.observed]
    return lay_out(indices, keypoints, request.horizon, state.next_index if state else None)


def _samples(request: PredictRequest, state: State | None) -> int:
    """Returns how many sample paths to draw."""
    made = None if state is None else len(state.vectors)
    samples = request.samples if request.HasField("samples") else made or 1
    check_range("samples", samples, 1, MAX_SAMPLES)
    if made not in (None, samples):
        raise InvalidInputError.of("samples", f"{samples}, but the state was made with {made}")
    if samples > 1 and not request.HasField("seed"):
        raise InvalidInputError.of("seed", f"missing; required to draw {samples} sample paths")
    return samples


def _encode_predicted(prediction: Prediction, span: Span) -> Iterator[PredictedFrame]:
    spread, forecast = prediction.spread(), prediction.forecast
    for t in np.flatnonzero(~span.observed).tolist():
        half_width = forecast.half_widths[t]
        yield PredictedFrame(
            index=span.start + t,
            samples=map(encode_keypoints, forecast.paths[:, t]),
            spread=encode_keypoints(spread[t]),
            half_width90=None if half_width is None else encode_keypoints(half_width),
        )
