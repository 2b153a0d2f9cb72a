"""Arrays as tensors in KServe's messages: descriptions plus raw bytes (little-endian, C order).

A request's inputs and a response's outputs have the same form, so one pair of functions serves
both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from motioncast.inference.engine import Array
from motioncast.inference.kserve.datatypes import datatype_of, dtype_of
from motioncast.wire.errors import InvalidInputError

# The field that holds a tensor's elements when they are sent by type; FP16 has none.
_CONTENTS: Final = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}

Elsewhere = Callable[[Any], bytes | memoryview | None]


def encode_tensors(
    arrays: Mapping[str, Array], describe: Callable[..., Any]
) -> tuple[list[Any], list[bytes]]:
    """Returns the descriptions of arrays and their bytes.

    Args:
        arrays: By name.
        describe: Creates the message that describes an array from its name, datatype and shape.
    """
    descriptions = [
        describe(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
        for name, array in arrays.items()
    ]
    return descriptions, [array.tobytes() for array in arrays.values()]


def nowhere_else(tensor: Any) -> None:
    """Returns None: the bytes of every tensor are in the message."""


def decode_tensors(
    tensors: Sequence[Any], raw: Sequence[bytes], elsewhere: Elsewhere = nowhere_else
) -> dict[str, Array]:
    """Returns the arrays in a message by name, without copying raw bytes.

    Args:
        tensors: Their descriptions.
        raw: Their bytes, in the same order; empty when the elements are in the descriptions.
        elsewhere: Returns the bytes of a tensor stored outside the message, or None for other
            tensors. A tensor stored outside has no entry in `raw`.

    Raises:
        InvalidInputError: Descriptions and bytes do not match, or a type is not supported.
    """
    arrays: dict[str, Array] = {}
    contents = iter(raw)
    left = len(raw)
    for tensor in tensors:
        if tensor.name in arrays:
            raise InvalidInputError.of(tensor.name, "given twice")
        data = elsewhere(tensor)
        if data is None and raw:
            data = next(contents, None)
            left -= 1
            if data is None:
                break
            if tensor.HasField("contents"):
                raise InvalidInputError.of(tensor.name, "given both typed and raw")
        arrays[tensor.name] = _decode(tensor, data)
    if left != 0:
        raise InvalidInputError.of(
            "raw_input_contents", f"{len(raw)} elements for {len(tensors)} tensors"
        )
    return arrays


def size_of(arrays: Iterable[Array]) -> int:
    """Returns the total size of the arrays' elements in bytes."""
    return sum(array.nbytes for array in arrays)


def _decode(tensor: Any, data: bytes | memoryview | None) -> Array:
    dtype = dtype_of(tensor.datatype)
    if dtype is None:
        raise InvalidInputError.of(
            tensor.name, f"type {tensor.datatype or 'missing'}, which is not supported"
        )
    shape = tuple(tensor.shape)
    if any(length < 0 for length in shape):
        raise InvalidInputError.of(tensor.name, f"shape {list(shape)} has a negative length")
    if data is None:
        return _decode_typed(tensor, dtype, shape)
    wanted = math.prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise InvalidInputError.of(
            tensor.name,
            f"{len(data)} bytes, but shape {list(shape)} of {tensor.datatype} takes {wanted}",
        )
    return _shaped(tensor.name, np.frombuffer(data, dtype), shape)


def _shaped(name: str, elements: Array, shape: tuple[int, ...]) -> Array:
    try:
        return elements.reshape(shape)
    except ValueError:  # no elements, but an axis too long for any array
        raise InvalidInputError.of(name, f"shape {list(shape)} is too large for an array") from None


def _decode_typed(tensor: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise InvalidInputError.of(tensor.name, f"{tensor.datatype} can only be given raw")
    elements = np.asarray(getattr(tensor.contents, field))
    if len(elements) != math.prod(shape):
        raise InvalidInputError.of(
            tensor.name,
            f"{len(elements)} in {field}, but shape {list(shape)} takes {math.prod(shape)}",
        )
    if dtype.kind in "iu" and elements.size:
        limits = np.iinfo(dtype)
        if elements.min() < limits.min or elements.max() > limits.max:
            raise InvalidInputError.of(
                tensor.name,
                f"a value is out of range [{limits.min}, {limits.max}] of {tensor.datatype}",
            )
    return _shaped(tensor.name, elements.astype(dtype), shape)
