"""A model server's description of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from motioncast.inference.codec_files import PARAMETER
from motioncast.inference.engine import Array, ModelMetadata, TensorMetadata
from motioncast.inference.inputs import check_inputs
from motioncast.inference.kserve.datatypes import dtype_of
from motioncast.inference.parameters import texts
from motioncast.wire.errors import InvalidInputError

_BATCH = "batch"


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model of a server.

    Attributes:
        metadata: Its inputs and outputs. The protocol has no names for axes: those of varying
            length are named after their tensor, except the first one of batched models.
        max_batch_size: Longest first axis of a batched model; 0 when the model is not batched.
    """

    metadata: ModelMetadata
    max_batch_size: int

    def check(self, inputs: Mapping[str, Array]) -> None:
        """Raises InvalidInputError unless the inputs fit the model."""
        check_inputs(self.metadata, inputs)
        for name, array in inputs.items():
            check_batch(name, array, self.max_batch_size)


def check_batch(name: str, array: Array, max_batch_size: int) -> None:
    """Raises InvalidInputError when an input is too large a batch; 0 means no limit."""
    if array.ndim and 0 < max_batch_size < len(array):
        raise InvalidInputError.of(
            name, f"a batch of {len(array)}, but the model takes at most {max_batch_size}"
        )


def describe(metadata: Any, config: Any) -> RemoteModel:
    """Reads a ModelMetadataResponse and its ModelConfig.

    Raises:
        InvalidInputError: A tensor has a type that arrays cannot have.
    """
    inputs = _tensors(metadata.name, metadata.inputs, config.max_batch_size)
    outputs = _tensors(metadata.name, metadata.outputs, config.max_batch_size)
    parameters = texts(config.parameters)
    codec_file = parameters.pop(PARAMETER, "").encode()
    described = ModelMetadata(metadata.name, inputs, outputs, parameters, codec_file)
    return RemoteModel(described, config.max_batch_size)


def _tensors(model: str, tensors: Iterable[Any], max_batch_size: int) -> tuple[TensorMetadata, ...]:
    return tuple(_tensor(model, tensor, max_batch_size) for tensor in tensors)


def _tensor(model: str, tensor: Any, max_batch_size: int) -> TensorMetadata:
    dtype = dtype_of(tensor.datatype)
    if dtype is None:
        raise InvalidInputError.of(
            "repository",
            f"{tensor.name} of the model {model} has the unsupported type {tensor.datatype}",
        )
    shape: list[int | str] = [
        f"{tensor.name}_axis{axis}" if length < 0 else length
        for axis, length in enumerate(tensor.shape)
    ]
    if max_batch_size and shape:
        shape[0] = _BATCH
    return TensorMetadata(tensor.name, dtype, tuple(shape))
