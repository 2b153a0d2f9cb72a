"""Converts a float32 graph to float16 where GPUs benefit: convolutions and what lies between them.

Inputs, outputs and everything concerning positions (keypoints, grids, flows, sampling, softmaxes)
stay in float32, as under autocast in training: float16 has 11 bits of precision, so a position
among 256 pixels would be off by a sixteenth of a pixel.
"""

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

CONVOLUTIONS = frozenset({"Conv"})
FOLLOWING = frozenset({"Relu", "LeakyRelu", "Resize", "DepthToSpace", "AveragePool", "MaxPool"})
JOINING = frozenset({"Add", "Concat"})


def to_float16(model: ModelProto) -> ModelProto:
    """Returns a copy whose convolutions and the operators between them are in float16."""
    converted = ModelProto()
    converted.CopyFrom(model)
    graph = converted.graph
    halved = _halved_values(list(graph.node))
    weights = {tensor.name: tensor for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    made: list[NodeProto] = []
    cast: set[str] = set()
    for node in graph.node:
        if node.output[0] in halved:
            for place, name in enumerate(_tensors(node)):
                if name in weights:
                    weights[name] = _half_weights(weights[name])
                elif name not in halved and name not in cast:
                    made.append(_cast(name, _half(name), TensorProto.FLOAT16))
                    cast.add(name)
                if name and name not in weights:
                    node.input[place] = _half(name)
            node.output[0] = _half(node.output[0])
        else:
            for name in node.input:
                if name in halved and name not in cast:
                    made.append(_cast(_half(name), name, TensorProto.FLOAT))
                    cast.add(name)
        made.append(node)
    for name in sorted(outputs & halved):
        made.append(_cast(_half(name), name, TensorProto.FLOAT))
    del graph.node[:], graph.initializer[:]
    graph.node.extend(made)
    graph.initializer.extend(weights.values())
    return converted


def _halved_values(nodes: list[NodeProto]) -> set[str]:
    """Returns the values to convert to float16: those derived from convolutions only."""
    halved: set[str] = set()
    for node in nodes:
        alone = (node.op_type in FOLLOWING and node.input[0] in halved) or (
            node.op_type in JOINING and halved.issuperset(node.input)
        )
        if node.op_type in CONVOLUTIONS or alone:
            halved.update(node.output)
    return halved


def _tensors(node: NodeProto) -> list[str]:
    """Returns the inputs of a node that change type; the scales of a Resize do not."""
    return list(node.input[:1] if node.op_type == "Resize" else node.input)


def _half_weights(weights: TensorProto) -> TensorProto:
    values = numpy_helper.to_array(weights)
    return numpy_helper.from_array(values.astype(np.float16), weights.name)


def _half(name: str) -> str:
    return f"{name}_float16"


def _cast(before: str, after: str, to: int) -> NodeProto:
    node: NodeProto = helper.make_node("Cast", [before], [after], name=f"cast_{after}", to=to)
    return node


def count_half(model: ModelProto) -> int:
    """Counts the weights of a model that are in float16."""
    return sum(
        int(np.prod(tensor.dims))
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT16
    )
