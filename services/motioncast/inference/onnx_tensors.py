"""Converts ONNX Runtime's descriptions of tensors into those of `engine`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from motioncast.inference.engine import TensorMetadata
from motioncast.wire.errors import InvalidInputError

_DTYPES: Final = {
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(bool)": np.bool_,
}


def describe(argument: Any, model: str) -> TensorMetadata:
    """Converts ONNX Runtime's description of a tensor; unnamed axes get a name."""
    if argument.type not in _DTYPES:
        raise InvalidInputError.of(
            "repository",
            f"{argument.name} of the model {model} has the unsupported type {argument.type}",
        )
    shape = tuple(
        length if isinstance(length, int) else length or f"{argument.name}_axis{axis}"
        for axis, length in enumerate(argument.shape)
    )
    return TensorMetadata(argument.name, np.dtype(_DTYPES[argument.type]), shape)
