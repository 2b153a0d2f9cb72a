"""ONNX graphs: naming and metadata, the check for standard operators, and iterating over nodes."""

from collections import Counter
from collections.abc import Iterator

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto

from motioncast.export.specification import ModelSpecification, TensorSpecification

OPSET = 20  # has GridSample in its present form, and every recent runtime loads it
LARGEST_OPSET = 21


def finish(model: ModelProto, specification: ModelSpecification, facts: dict[str, str]) -> None:
    """Names a model, declares its outputs' axes and writes facts into its metadata, in place."""
    model.producer_name, model.producer_version = "motioncast", facts.get("version", "")
    model.graph.name = specification.name
    model.doc_string = specification.description
    for declared, tensor in zip(model.graph.output, specification.outputs, strict=True):
        declared.CopyFrom(value_info(tensor))
    onnx.helper.set_model_props(model, facts)


def check(model: ModelProto) -> None:
    """Raises ValueError, or onnx's own errors, if a standard runtime might not load the model."""
    foreign = {f"{node.domain}.{node.op_type}" for node in nodes(model.graph) if node.domain}
    if foreign or model.functions:
        raise ValueError(
            f"{model.graph.name}: has operators outside the standard: {sorted(foreign)}"
        )
    for opset in model.opset_import:
        if opset.domain or opset.version > LARGEST_OPSET:
            raise ValueError(
                f"{model.graph.name}: needs opset {opset.domain or 'ai.onnx'} {opset.version}"
                f" (at most ai.onnx {LARGEST_OPSET})"
            )
    onnx.checker.check_model(model, full_check=True)  # with strict shape inference


def value_info(tensor: TensorSpecification) -> onnx.ValueInfoProto:
    """Returns the ONNX declaration of a tensor."""
    element = onnx.helper.np_dtype_to_tensor_dtype(tensor.dtype)
    return onnx.helper.make_tensor_value_info(tensor.name, element, tensor.axes)


def operators(model: ModelProto) -> dict[str, int]:
    """Counts the operators of a model, including those in loop bodies."""
    return dict(sorted(Counter(node.op_type for node in nodes(model.graph)).items()))


def nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """Yields the nodes of a graph and of all graphs inside it."""
    for node in graph.node:
        yield node
        for inner in _inner_graphs(node):
            yield from nodes(inner)


def _inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs
