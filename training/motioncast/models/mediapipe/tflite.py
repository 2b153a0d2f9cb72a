"""Reads TFLite files: a network's operations in order, its constants as dense arrays.

Half-precision constants (DEQUANTIZE) are returned as float32, sparse ones (DENSIFY) as dense.
Needs the package tflite, which holds the format's schema; only conversion uses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ELEMENTS = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}  # by TensorType
_CUSTOM = 32  # BuiltinOperator
_UNPACKING = frozenset({"DEQUANTIZE", "DENSIFY"})
_SPARSE = 1  # DimensionType SPARSE_CSR


class TfliteError(ValueError):
    """Raised when a file is not a readable TFLite network; the message says why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its kind, its tensors by number, and its constant inputs."""

    kind: str  # "CONV_2D" and so on, or the name of a custom one
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class TfliteNetwork:
    """The operations of a network in execution order, and its outputs by name."""

    operations: tuple[Operation, ...]
    outputs: dict[str, int]


def read_tflite(path: Path) -> TfliteNetwork:
    """Reads a file with one subgraph.

    Raises:
        FileNotFoundError: there is no such file.
        TfliteError: the file is of another kind or uses unsupported features.
    """
    import tflite

    data = path.read_bytes()
    if not tflite.Model.ModelBufferHasIdentifier(data, 0):
        raise TfliteError(f"{path}: is not a TFLite file")
    model = tflite.Model.GetRootAs(data, 0)
    if model.SubgraphsLength() != 1:
        raise TfliteError(f"{path}: has {model.SubgraphsLength()} subgraphs, expected 1")
    graph = model.Subgraphs(0)
    constants: dict[int, Array] = {}
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            constants[number] = _constant(tensor, buffer.DataAsNumpy(), path)
    operations = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        kind = _kind(model.OperatorCodes(operator.OpcodeIndex()))
        inputs = tuple(int(i) for i in operator.InputsAsNumpy())
        outputs = tuple(int(i) for i in operator.OutputsAsNumpy())
        if kind in _UNPACKING:
            if inputs[0] not in constants:
                raise TfliteError(f"{path}: unpacks something that is not a constant ({kind})")
            constants[outputs[0]] = constants[inputs[0]].astype(np.float32)
            continue
        operations.append(
            Operation(kind, inputs, outputs, tuple(constants[i] for i in inputs if i in constants))
        )
    names = {graph.Tensors(i).Name().decode(): int(i) for i in graph.OutputsAsNumpy()}
    return TfliteNetwork(tuple(operations), names)


def _kind(code: Any) -> str:
    import tflite

    # Files older than the second, wider field have the number in the first.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return str(code.CustomCode().decode() if builtin == _CUSTOM else tflite.opcode2name(builtin))


def _constant(tensor: Any, data: NDArray[np.uint8], path: Path) -> Array:
    element = _ELEMENTS.get(tensor.Type())
    if element is None:
        raise TfliteError(f"{path}: has constants of type {tensor.Type()}")
    values = np.frombuffer(data.tobytes(), element)
    shape = [int(n) for n in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []
    sparsity = tensor.Sparsity()
    if sparsity is None:
        return values.reshape(shape)
    return dense(values, shape, *_sparsity(sparsity))


@dataclass(frozen=True, slots=True)
class SparseDimension:
    """A dimension of a sparse tensor: dense, or the positions of the values in each slice."""

    size: int  # of a dense one
    segments: tuple[int, ...] = ()
    indices: tuple[int, ...] = ()


def dense(
    values: Array,
    shape: Sequence[int],
    order: Sequence[int],
    blocked: Sequence[int],
    dimensions: Sequence[SparseDimension],
) -> Array:
    """Returns a sparse tensor, stored as in TFLite (TACO's format), as a dense array.

    Args:
        values: The stored values, in traversal order.
        shape: The tensor's shape.
        order: The tensor's dimensions in traversal order, then those of a block.
        blocked: For each dimension of a block, the dimension of the tensor that it divides.
        dimensions: In traversal order.
    """
    rank = len(shape)
    block = [1] * rank
    for axis, traversed in zip(order, dimensions, strict=True):
        if axis >= rank:
            block[blocked[axis - rank]] = traversed.size
    result = np.zeros(shape, values.dtype)
    stored = iter(values)

    def visit(level: int, position: int, at: dict[int, int]) -> None:
        if level == len(order):
            index = [at[axis] * block[axis] for axis in range(rank)]
            for number, axis in enumerate(blocked):
                index[axis] += at[rank + number]
            result[tuple(index)] = next(stored)
            return
        traversed = dimensions[level]
        if traversed.segments:
            slices = range(traversed.segments[position], traversed.segments[position + 1])
            for place in slices:
                visit(level + 1, place, {**at, order[level]: traversed.indices[place]})
        else:
            for coordinate in range(traversed.size):
                deeper = position * traversed.size + coordinate
                visit(level + 1, deeper, {**at, order[level]: coordinate})

    visit(0, 0, {})
    return result


def _sparsity(
    sparsity: Any,
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[SparseDimension, ...]]:
    order = tuple(int(i) for i in sparsity.TraversalOrderAsNumpy())
    blocked: tuple[int, ...] = ()
    if sparsity.BlockMapLength():
        blocked = tuple(int(i) for i in sparsity.BlockMapAsNumpy())
    dimensions = []
    for number in range(sparsity.DimMetadataLength()):
        data = sparsity.DimMetadata(number)
        if data.Format() == _SPARSE:
            segments = _indices(data.ArraySegments(), data.ArraySegmentsType())
            indices = _indices(data.ArrayIndices(), data.ArrayIndicesType())
            dimensions.append(SparseDimension(0, segments, indices))
        else:
            dimensions.append(SparseDimension(int(data.DenseSize())))
    return order, blocked, tuple(dimensions)


def _indices(table: Any, kind: int) -> tuple[int, ...]:
    """Reads a union of index vectors: int32, uint16 or uint8."""
    import tflite

    vector = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}[kind]()
    vector.Init(table.Bytes, table.Pos)
    return tuple(int(i) for i in vector.ValuesAsNumpy())
