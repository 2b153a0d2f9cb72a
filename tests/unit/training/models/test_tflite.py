"""TFLite files: reading, expanding sparse tensors, and loading weights into layers."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tflite
import torch
from numpy.typing import NDArray
from torch import nn
from torch.testing import assert_close

from motioncast.models.mediapipe.conversion import Weights
from motioncast.models.mediapipe.tflite import SparseDimension, TfliteError, dense, read_tflite

KERNEL = np.arange(1, 13, dtype=np.float16).reshape(2, 2, 1, 3) / 4  # out, height, width, in
BIAS = np.array([0.5, -0.5], np.float32)
SLOPES = np.array([[[0.25, 2.0]]], np.float32)
FLOAT32, FLOAT16 = 0, 1
CONV_2D, DEQUANTIZE, PRELU = 3, 6, 54


def _vector(builder: flatbuffers.Builder, start: object, items: list[int]) -> int:
    start(builder, len(items))  # type: ignore[operator]
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return int(builder.EndVector())


def _tiny_file(path: Path) -> Path:
    """Writes x -> conv(x) with half-precision weights -> prelu."""
    b = flatbuffers.Builder(1024)
    arrays: list[NDArray[np.generic] | None] = [None, KERNEL, BIAS, SLOPES]
    buffers = []
    for array in arrays:
        data = b.CreateByteVector(array.tobytes()) if array is not None else None
        tflite.BufferStart(b)
        if data is not None:
            tflite.BufferAddData(b, data)
        buffers.append(tflite.BufferEnd(b))
    tensors = []
    for name, shape, element, buffer in (
        ("x", (1, 4, 3, 3), FLOAT32, 0),
        ("half", KERNEL.shape, FLOAT16, 1),
        ("kernel", KERNEL.shape, FLOAT32, 0),
        ("bias", BIAS.shape, FLOAT32, 2),
        ("convolved", (1, 3, 3, 2), FLOAT32, 0),
        ("slopes", SLOPES.shape, FLOAT32, 3),
        ("y", (1, 3, 3, 2), FLOAT32, 0),
    ):
        label = b.CreateString(name)
        sides = b.CreateNumpyVector(np.array(shape, np.int32))
        tflite.TensorStart(b)
        tflite.TensorAddName(b, label)
        tflite.TensorAddShape(b, sides)
        tflite.TensorAddType(b, element)
        tflite.TensorAddBuffer(b, buffer)
        tensors.append(tflite.TensorEnd(b))
    codes = []
    for code in (DEQUANTIZE, CONV_2D, PRELU):
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, code)
        tflite.OperatorCodeAddBuiltinCode(b, code)
        codes.append(tflite.OperatorCodeEnd(b))
    operators = []
    for index, (inputs, outputs) in enumerate((([1], [2]), ([0, 2, 3], [4]), ([4, 5], [6]))):
        ins = b.CreateNumpyVector(np.array(inputs, np.int32))
        outs = b.CreateNumpyVector(np.array(outputs, np.int32))
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, index)
        tflite.OperatorAddInputs(b, ins)
        tflite.OperatorAddOutputs(b, outs)
        operators.append(tflite.OperatorEnd(b))
    of_tensors = _vector(b, tflite.SubGraphStartTensorsVector, tensors)
    of_operators = _vector(b, tflite.SubGraphStartOperatorsVector, operators)
    ins = b.CreateNumpyVector(np.array([0], np.int32))
    outs = b.CreateNumpyVector(np.array([6], np.int32))
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, of_tensors)
    tflite.SubGraphAddOperators(b, of_operators)
    tflite.SubGraphAddInputs(b, ins)
    tflite.SubGraphAddOutputs(b, outs)
    graph = tflite.SubGraphEnd(b)
    of_buffers = _vector(b, tflite.ModelStartBuffersVector, buffers)
    of_codes = _vector(b, tflite.ModelStartOperatorCodesVector, codes)
    graphs = _vector(b, tflite.ModelStartSubgraphsVector, [graph])
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddBuffers(b, of_buffers)
    tflite.ModelAddOperatorCodes(b, of_codes)
    tflite.ModelAddSubgraphs(b, graphs)
    b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
    path.write_bytes(b.Output())
    return path


def test_a_file_is_read_without_the_operations_that_only_unpack(tmp_path: Path) -> None:
    network = read_tflite(_tiny_file(tmp_path / "tiny.tflite"))

    assert [one.kind for one in network.operations] == ["CONV_2D", "PRELU"]
    assert network.outputs == {"y": 6}
    kernel, bias = network.operations[0].constants
    assert kernel.dtype == np.float32
    assert (kernel == KERNEL).all()
    assert (bias == BIAS).all()


def test_converted_layers_compute_what_the_operations_say(tmp_path: Path) -> None:
    layers = nn.Sequential(nn.Conv2d(3, 2, (2, 1)), nn.PReLU(2))
    weights = Weights(read_tflite(_tiny_file(tmp_path / "tiny.tflite")))

    weights.fill(layers, outputs=("y",))

    image = np.random.default_rng(0).normal(size=(4, 3, 3)).astype(np.float32)
    expected = np.zeros((3, 3, 2))
    for y, x, out in np.ndindex(3, 3, 2):
        seen = image[y : y + 2, x : x + 1] * KERNEL[out].astype(np.float32)
        value = seen.sum() + BIAS[out]
        expected[y, x, out] = value if value > 0 else value * SLOPES[0, 0, out]
    actual = layers(torch.from_numpy(image).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    assert_close(actual.double(), torch.from_numpy(expected), atol=1e-5, rtol=0)


def test_weights_that_do_not_fit_the_layers_are_refused(tmp_path: Path) -> None:
    path = _tiny_file(tmp_path / "tiny.tflite")
    with pytest.raises(TfliteError, match=r"y: 2 operations for 1 layers"):
        Weights(read_tflite(path)).fill(nn.Conv2d(3, 2, 1), outputs=("y",))
    layers = nn.Sequential(nn.Conv2d(3, 2, 1), nn.PReLU(2))
    with pytest.raises(TfliteError, match=r"CONV_2D: has weights"):
        Weights(read_tflite(path)).fill(layers, outputs=("y",))
    with pytest.raises(TfliteError, match=r"output z is unknown \(expected one of \['y'\]\)"):
        Weights(read_tflite(path)).fill(nn.Conv2d(3, 2, 1), outputs=("z",))


def test_what_is_no_tflite_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"something else entirely")
    with pytest.raises(TfliteError, match="is not a TFLite file"):
        read_tflite(tmp_path / "other")


def test_a_sparse_matrix_has_its_values_where_its_rows_say() -> None:
    rows = SparseDimension(3)
    columns = SparseDimension(0, segments=(0, 2, 2, 3), indices=(0, 3, 1))
    whole = dense(np.array([5.0, 6.0, 7.0]), (3, 4), (0, 1), (), (rows, columns))
    assert whole.tolist() == [[5, 0, 0, 6], [0, 0, 0, 0], [0, 7, 0, 0]]


def test_a_block_of_a_sparse_matrix_is_as_wide_as_its_dimension() -> None:
    # Blocks of 1 x 2: the first row has its second block, the second row its first.
    columns = SparseDimension(0, segments=(0, 1, 2), indices=(1, 0))
    dimensions = (SparseDimension(2), columns, SparseDimension(2))
    whole = dense(np.array([1.0, 2.0, 3.0, 4.0]), (2, 4), (0, 1, 2), (1,), dimensions)
    assert whole.tolist() == [[0, 0, 1, 2], [3, 4, 0, 0]]
