"""Inputs that a model does not accept are named in the error."""

from __future__ import annotations

import re

import numpy as np
import pytest

from motioncast.inference.engine import Array, ModelMetadata, TensorMetadata
from motioncast.inference.inputs import check_inputs
from motioncast.wire.errors import InvalidInputError

_FLOAT = np.dtype(np.float32)
MODEL = ModelMetadata(
    "lite_predictor",
    inputs=(
        TensorMetadata("keypoints", _FLOAT, ("B", "T", 16, 3)),
        TensorMetadata("observed", _FLOAT, ("B", "T")),
    ),
    outputs=(),
)


def zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(("batch", "time"), [(1, 1), (3, 7)])
def test_inputs_of_any_batch_and_time_are_taken(batch: int, time: int) -> None:
    check_inputs(MODEL, {"keypoints": zeros(batch, time, 16, 3), "observed": zeros(batch, time)})


def test_inputs_are_taken_in_any_order() -> None:
    check_inputs(MODEL, {"observed": zeros(1, 2), "keypoints": zeros(1, 2, 16, 3)})


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (
            {"keypoints": zeros(1, 5, 16, 2), "observed": zeros(1, 5)},
            "keypoints: shape [1, 5, 16, 2], but the model takes [B, T, 16, 3]",
        ),
        (
            {"keypoints": zeros(5, 16, 3), "observed": zeros(1, 5)},
            "keypoints: shape [5, 16, 3], but the model takes [B, T, 16, 3]",
        ),
        (
            {"keypoints": zeros(1, 0, 16, 3), "observed": zeros(1, 0)},
            "keypoints: shape [1, 0, 16, 3], but the model takes [B, T, 16, 3]",
        ),
        (
            {"keypoints": zeros(1, 5, 16, 3), "observed": np.zeros((1, 5), bool)},
            "observed: type bool, but the model takes float32",
        ),
        (
            {"keypoints": zeros(1, 5, 16, 3).astype(">f4"), "observed": zeros(1, 5)},
            "keypoints: type >f4, but the model takes float32",
        ),
        (
            {"keypoints": zeros(1, 5, 16, 3), "observed": zeros(1, 4)},
            "observed: T is 4, but 5 in keypoints",
        ),
        (
            {"keypoints": zeros(1, 5, 16, 3)},
            "observed: missing; the model lite_predictor requires it",
        ),
        (
            {"keypoints": zeros(1, 5, 16, 3), "observed": zeros(1, 5), "noise": zeros(1)},
            "noise: unknown; the model lite_predictor takes keypoints, observed",
        ),
    ],
)
def test_what_is_wrong_is_named(inputs: dict[str, Array], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{re.escape(sentence)}$") as got:
        check_inputs(MODEL, inputs)
    assert got.value.field == sentence.split(":")[0]
