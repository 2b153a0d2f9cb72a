"""Checks before a run that the arrays are what a model expects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from motioncast.inference.engine import Array, ModelMetadata, TensorMetadata
from motioncast.wire.errors import InvalidInputError


def check_inputs(model: ModelMetadata, inputs: Mapping[str, Array]) -> None:
    """Raises InvalidInputError unless the inputs have the model's names, types and shapes."""
    expected = {tensor.name for tensor in model.inputs}
    for name in inputs:
        if name not in expected:
            takes = _join(tensor.name for tensor in model.inputs)
            raise InvalidInputError.of(name, f"unknown; the model {model.name} takes {takes}")
    lengths: dict[str, tuple[int, str]] = {}  # of each named axis, and the input that set it
    for tensor in model.inputs:
        if tensor.name not in inputs:
            raise InvalidInputError.of(tensor.name, f"missing; the model {model.name} requires it")
        _check_tensor(tensor, inputs[tensor.name])
        _check_named_axes(tensor, inputs[tensor.name], lengths)


def _check_tensor(tensor: TensorMetadata, array: Array) -> None:
    if array.dtype != tensor.dtype:
        raise InvalidInputError.of(
            tensor.name, f"type {array.dtype}, but the model takes {tensor.dtype}"
        )
    fits = array.ndim == len(tensor.shape) and all(
        length == axis if isinstance(axis, int) else length > 0
        for length, axis in zip(array.shape, tensor.shape, strict=True)
    )
    if not fits:
        raise InvalidInputError.of(
            tensor.name,
            f"shape {list(array.shape)}, but the model takes [{_join(tensor.shape)}]",
        )


def _check_named_axes(
    tensor: TensorMetadata, array: Array, lengths: dict[str, tuple[int, str]]
) -> None:
    for length, axis in zip(array.shape, tensor.shape, strict=True):
        if isinstance(axis, int):
            continue
        known, where = lengths.setdefault(axis, (length, tensor.name))
        if length != known:
            raise InvalidInputError.of(tensor.name, f"{axis} is {length}, but {known} in {where}")


def _join(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
