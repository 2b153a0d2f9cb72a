"""Requests the predictor service refuses, with the field and message of each error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.model_services import ModelsServed, refusal

from motioncast.v1.common_pb2 import KeypointSet
from motioncast.v1.predictor_pb2 import ObservedFrame, PredictorState, PredictRequest
from motioncast.wire.errors import InvalidInputError

_STATE_BYTES = 13 * 4


def state(**changes: Any) -> PredictorState:
    fields: dict[str, Any] = {"model": "toy", "next_index": 5, "vectors": [bytes(_STATE_BYTES)]}
    return PredictorState(**(fields | changes))


def vector(value: float) -> bytes:
    values: NDArray[np.float32] = np.zeros(13, "<f4")
    values[4] = value
    return values.tobytes()


def frames(*indices: int) -> list[ObservedFrame]:
    points = KeypointSet(x=[0, 0], y=[0, 0], intensity=[1, 1])
    return [ObservedFrame(index=index, keypoints=points) for index in indices]


def points(x: float) -> list[ObservedFrame]:
    keypoints = KeypointSet(x=[0, x], y=[0, 0], intensity=[1, 1])
    return [*frames(0), ObservedFrame(index=1, keypoints=keypoints)]


@pytest.mark.parametrize(
    ("request_of", "field", "problem"),
    [
        (
            lambda: PredictRequest(horizon=3),
            "observed",
            "empty; a forecast needs observed frames or a state",
        ),
        (
            lambda: PredictRequest(observed=frames(4, 6, 6)),
            "observed[2].index",
            "6 does not come after 6",
        ),
        (
            lambda: PredictRequest(observed=frames(4, 3)),
            "observed[1].index",
            "3 does not come after 4",
        ),
        (
            lambda: PredictRequest(observed=frames(4, 7), state=state()),
            "observed[0].index",
            "4 lies before state.next_index, which is 5",
        ),
        (
            lambda: PredictRequest(observed=frames(*range(257))),
            "observed",
            "257 exceeds the limit of 256",
        ),
        (
            lambda: PredictRequest(observed=frames(0), horizon=257),
            "horizon",
            "257 exceeds the limit of 256",
        ),
        (
            lambda: PredictRequest(observed=frames(10**9), state=state()),
            "observed[0].index",
            "the span from 5 to 1000000000 has 999999996 frames, which exceeds the limit of 512",
        ),
        (
            lambda: PredictRequest(observed=frames(0, 400), horizon=200),
            "horizon",
            "the span from 0 to 600 has 601 frames, which exceeds the limit of 512",
        ),
        (
            lambda: PredictRequest(observed=frames(2**64 - 1)),
            "observed[0].index",
            "index 18446744073709551616 exceeds the limit of 18446744073709551615",
        ),
        (
            lambda: PredictRequest(observed=points(float("nan"))),
            "observed[1].keypoints.x",
            "a value is not finite",
        ),
        (
            lambda: PredictRequest(observed=points(2)),
            "observed[1].keypoints.x",
            "2 is out of range [-1, 1]",
        ),
        (
            lambda: PredictRequest(observed=[ObservedFrame(index=0)]),
            "observed[0].keypoints.x",
            "0 values, but the model has 2 keypoints",
        ),
        (
            lambda: PredictRequest(observed=frames(0), samples=0),
            "samples",
            "0 is less than 1",
        ),
        (
            lambda: PredictRequest(observed=frames(0), samples=33, seed=1),
            "samples",
            "33 exceeds the limit of 32",
        ),
        (
            lambda: PredictRequest(observed=frames(0), samples=2),
            "seed",
            "missing; required to draw 2 sample paths",
        ),
        (
            lambda: PredictRequest(state=state(), samples=2, seed=1),
            "samples",
            "2, but the state was made with 1",
        ),
        (
            lambda: PredictRequest(state=state(model="lite128")),
            "state.model",
            "made by 'lite128', but the call is for 'toy'",
        ),
        (
            lambda: PredictRequest(state=state(vectors=[])),
            "state.vectors",
            "0 is less than 1",
        ),
        (
            lambda: PredictRequest(state=state(vectors=[bytes(_STATE_BYTES)] * 33)),
            "state.vectors",
            "33 exceeds the limit of 32",
        ),
        (
            lambda: PredictRequest(state=state(vectors=[bytes(_STATE_BYTES), b"abc"])),
            "state.vectors[1]",
            "3 bytes, but the model's state takes 52",
        ),
        (
            lambda: PredictRequest(
                state=state(vectors=[bytes(_STATE_BYTES), vector(float("inf"))])
            ),
            "state.vectors[1]",
            "a value is not finite",
        ),
    ],
)
async def test_what_makes_no_span_is_refused(
    served: ModelsServed, request_of: Callable[[], PredictRequest], field: str, problem: str
) -> None:
    error = await refusal(served.predictor.Predict(request_of()))
    assert isinstance(error, InvalidInputError)
    assert (error.field, str(error)) == (field, f"{field}: {problem}")


async def test_a_state_that_leads_nowhere_finite_is_refused(served: ModelsServed) -> None:
    # The next frame, at 0, is 3e38 from the last; times 1e38, the velocity overflows.
    wild = np.zeros(13, "<f4")
    wild[0], wild[12] = -3e38, 1e38
    request = PredictRequest(observed=frames(5), state=state(vectors=[wild.tobytes()]))
    error = await refusal(served.predictor.Predict(request))
    assert isinstance(error, InvalidInputError)
    assert str(error) == "state: results in a forecast that is not finite"
