"""The predictor's recurrent state as transmitted: little-endian float32, one vector per path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.inference import ModelSet
from motioncast.v1.predictor_pb2 import PredictorState
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.limits import check_range

MAX_SAMPLES: Final = 32
_LITTLE_ENDIAN: Final = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class State:
    """The recurrent state on a timeline.

    Attributes:
        next_index: Index of the first frame that it does not cover.
        vectors: (samples, S).
    """

    next_index: int
    vectors: NDArray[np.float32]


def initial_vectors(models: ModelSet, samples: int) -> NDArray[np.float32]:
    """Returns the vectors (samples, S) at the start of a timeline."""
    return np.zeros((samples, models.state), np.float32)


def encode_state(state: State, models: ModelSet) -> PredictorState:
    """Returns the state as a message."""
    vectors = state.vectors.astype(_LITTLE_ENDIAN, copy=False)
    return PredictorState(
        model=models.name,
        next_index=state.next_index,
        vectors=[vector.tobytes() for vector in vectors],
    )


def decode_state(message: PredictorState, models: ModelSet) -> State:
    """Returns the state in a message.

    Raises:
        InvalidInputError: It belongs to another model, has no or too many vectors, or a vector has
            the wrong length or a value that is not finite.
    """
    if message.model != models.name:
        raise InvalidInputError.of(
            "state.model", f"made by {message.model!r}, but the call is for {models.name!r}"
        )
    check_range("state.vectors", len(message.vectors), 1, MAX_SAMPLES)
    size = models.state * _LITTLE_ENDIAN.itemsize
    for n, vector in enumerate(message.vectors):
        if len(vector) != size:
            raise InvalidInputError.of(
                f"state.vectors[{n}]", f"{len(vector)} bytes, but the model's state takes {size}"
            )
    flat = np.frombuffer(b"".join(message.vectors), _LITTLE_ENDIAN).astype(np.float32, copy=False)
    vectors = flat.reshape(len(message.vectors), models.state)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InvalidInputError.of(f"state.vectors[{finite.argmin()}]", "a value is not finite")
    return State(message.next_index, vectors)
