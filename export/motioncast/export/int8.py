"""Converts a graph's convolutions to INT8 with ranges from training clips (static quantisation).

    x = scale * (q - zero)      activations uint8, one range per tensor
                                weights int8, one range per output channel

Written as QuantizeLinear and DequantizeLinear around float operators (QDQ), which is standard ONNX:
both ONNX Runtime and TensorRT turn it into integer convolutions. Only convolutions are quantised:
keypoints, softmaxes, grids, flows and sampling stay in float32.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from motioncast.export.parity import Arrays

QUANTISED = ("Conv",)
WEIGHING = frozenset(
    {"Softmax", "ReduceMax", "Tanh"}
)  # ReduceMax begins a softmax, Tanh bounds one
REARRANGING = frozenset({"Reshape", "Slice", "Split", "Transpose", "Mul", "Div", "Squeeze"})


def to_int8(model: ModelProto, batches: Sequence[Arrays]) -> ModelProto:
    """Returns a copy with INT8 convolutions, except thin ones and those that encode positions.

    Args:
        model: the model in float32.
        batches: representative inputs by name; they set the ranges.
    """
    original = ModelProto()
    original.CopyFrom(model)  # quantize_static modifies its argument
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder, "int8.onnx")
        quantize_static(
            original,
            path,
            _Batches(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=[*about_places(model), *thin(model)],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        quantised = onnx.load(path)
    standard = [opset for opset in quantised.opset_import if not opset.domain]
    del quantised.opset_import[:]  # drops domains that are declared but not used
    quantised.opset_import.extend(standard)
    del quantised.graph.value_info[:]
    return quantised


def about_places(model: ModelProto) -> list[str]:
    """Returns the names of convolutions whose outputs weight positions, i.e. feed a softmax.

    Quantising the masks of the dense motion to 256 levels would cost 3.5 dB (docs/export.md).
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    found = set()
    for node in model.graph.node:
        if node.op_type in WEIGHING:
            maker = makers.get(node.input[0])
            while maker is not None and maker.op_type in REARRANGING:
                maker = makers.get(maker.input[0])
            if maker is not None and maker.op_type in QUANTISED:
                found.add(maker.name)
    return sorted(found)


def thin(model: ModelProto) -> list[str]:
    """Returns the names of convolutions with a single output channel, which INT8 makes slower."""
    weights = {one.name: one.dims for one in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in QUANTISED and weights.get(node.input[1], (0,))[0] == 1
    ]


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    def __init__(self, batches: Sequence[Arrays]) -> None:
        self._left: Iterator[Arrays] = iter(batches)

    def get_next(self) -> Arrays | None:
        return next(self._left, None)


class _quiet:  # noqa: N801  # a context manager
    """Silences the advice that onnxruntime.quantization logs; it does not apply to these models."""

    def __enter__(self) -> None:
        self._level = logging.getLogger().level
        logging.getLogger().setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().setLevel(self._level)
