"""Looks up a model's inputs and outputs by name in its metadata."""

from __future__ import annotations

from collections.abc import Iterable

from motioncast.inference.engine import ModelMetadata, TensorMetadata
from motioncast.wire.errors import InvalidInputError


def input_of(model: ModelMetadata, name: str, axes: int) -> TensorMetadata:
    """Returns an input with so many axes; InvalidInputError if the model has none."""
    return _find(model, "input", model.inputs, name, axes)


def output_of(model: ModelMetadata, name: str, axes: int) -> TensorMetadata:
    """Returns an output with so many axes; InvalidInputError if the model has none."""
    return _find(model, "output", model.outputs, name, axes)


def fixed_length(tensor: TensorMetadata, axis: int) -> int:
    """Returns the length of an axis; InvalidInputError if it is dynamic."""
    length = tensor.shape[axis]
    if isinstance(length, str):
        raise InvalidInputError.of(
            "repository", f"axis {axis} of {tensor.name} must have a fixed length"
        )
    return length


def _find(
    model: ModelMetadata, side: str, tensors: Iterable[TensorMetadata], name: str, axes: int
) -> TensorMetadata:
    for tensor in tensors:
        if tensor.name == name and len(tensor.shape) == axes:
            return tensor
    raise InvalidInputError.of(
        "repository", f"the model {model.name} has no {side} {name} with {axes} axes"
    )
