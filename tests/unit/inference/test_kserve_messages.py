"""Arrays and model descriptions as KServe v2 messages."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2
from tritonclient.grpc.model_config_pb2 import DataType
from tritonclient.utils import np_to_triton_dtype

from motioncast.inference import ModelMetadata, TensorMetadata
from motioncast.inference.kserve.config import made_config
from motioncast.inference.kserve.datatypes import config_type_of, datatype_of, dtype_of
from motioncast.inference.kserve.regions import layout, space_of
from motioncast.inference.kserve.tensors import decode_tensors, encode_tensors

_DTYPES = [
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
]
_Input = service_pb2.ModelInferRequest.InferInputTensor


@pytest.mark.parametrize("name", _DTYPES)
def test_types_have_the_names_that_nvidias_client_gives_them(name: str) -> None:
    dtype = np.dtype(name)
    assert datatype_of(dtype) == np_to_triton_dtype(dtype)
    assert dtype_of(datatype_of(dtype)) == dtype
    assert DataType.Name(config_type_of(dtype)) == f"TYPE_{datatype_of(dtype)}"


@given(
    dtype=st.sampled_from(_DTYPES),
    shape=st.lists(st.integers(0, 4), max_size=4),
    seed=st.integers(0, 1000),
)
def test_an_array_comes_back_as_it_was(dtype: str, shape: list[int], seed: int) -> None:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    data = np.random.default_rng(seed).integers(0, 2, size, np.uint8)
    array = np.frombuffer(data.tobytes(), dtype).reshape(shape)
    turned = array.T  # in a different memory order
    tensors, raw = encode_tensors({"a": array, "b": turned}, _Input)
    decoded = decode_tensors(tensors, raw)
    np.testing.assert_array_equal(decoded["a"], array)
    np.testing.assert_array_equal(decoded["b"], turned)
    assert decoded["a"].dtype == array.dtype


def test_bytes_are_little_endian_and_row_by_row() -> None:
    array = np.array([[1, 2], [3, 4]], np.int32).T
    [tensor], [raw] = encode_tensors({"x": array}, _Input)
    assert raw == struct.pack("<4i", 1, 3, 2, 4)
    assert (tensor.name, tensor.datatype, list(tensor.shape)) == ("x", "INT32", [2, 2])


def metadata(*tensors: tuple[str, tuple[int | str, ...]]) -> ModelMetadata:
    """Returns metadata of a model whose last tensor is its output."""
    floats = np.dtype(np.float32)
    described = [TensorMetadata(name, floats, shape) for name, shape in tensors]
    return ModelMetadata("m", tuple(described[:-1]), tuple(described[-1:]))


@pytest.mark.parametrize(
    ("model", "batched"),
    [
        (metadata(("x", ("N", 3)), ("y", ("N",))), True),
        (metadata(("x", ("N", 3)), ("y", ("M",))), False),
        (metadata(("x", ("N", 3)), ("w", (3,)), ("y", ("N",))), False),
        (metadata(("x", (2, 3)), ("y", (2,))), False),
        (metadata(("x", ()), ("y", ())), False),
    ],
)
def test_a_model_runs_in_batches_when_all_it_has_begins_with_one_axis(
    model: ModelMetadata, batched: bool
) -> None:
    config = made_config(model)
    assert config.max_batch_size == (64 if batched else 0)
    assert len(config.input[0].dims) == len(model.inputs[0].shape) - batched


@given(sizes=st.lists(st.integers(1, 1000), max_size=8))
def test_stretches_of_memory_are_aligned_and_apart(sizes: list[int]) -> None:
    named = {str(n): size for n, size in enumerate(sizes)}
    ends = 0
    placed: dict[str, Any] = dict(layout(named))
    for name, size in named.items():
        offset, length = placed[name]
        assert offset % 64 == 0
        assert offset >= ends
        assert length == size
        ends = offset + size
    assert ends <= space_of(named)


def test_a_view_of_the_message_is_not_copied() -> None:
    raw = [np.arange(4, dtype=np.uint8).tobytes()]
    tensor = _Input(name="x", datatype="UINT8", shape=[2, 2])
    array: NDArray[np.uint8] = decode_tensors([tensor], raw)["x"]
    assert np.shares_memory(array, np.frombuffer(raw[0], np.uint8))
