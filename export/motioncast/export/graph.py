"""PyTorch module -> ONNX graph of standard operators, with no trace of the exporting machine."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto
from torch import nn

from motioncast.export.specification import BATCH, TIME, ModelSpecification, TensorSpecification

OPSET = 20  # GridSample in its present form, and what every runtime of the last years loads
LARGEST_OPSET = 21
LONGEST_AXIS = 1 << 16


def to_onnx(module: nn.Module, specification: ModelSpecification) -> ModelProto:
    """Translates a module with the inputs and outputs of the specification, named axes dynamic."""
    dimensions = {axis: torch.export.Dim(axis, min=1, max=LONGEST_AXIS) for axis in (BATCH, TIME)}
    inputs = specification.inputs
    with _quiet_exporter():
        program = torch.onnx.export(
            module.eval(),
            tuple(_example(tensor) for tensor in inputs),
            input_names=[tensor.name for tensor in inputs],
            output_names=[tensor.name for tensor in specification.outputs],
            dynamic_shapes=tuple(
                {i: dimensions[axis] for i, axis in enumerate(tensor.axes) if isinstance(axis, str)}
                for tensor in inputs
            ),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _forget_machine(model)
    return model


def finish(model: ModelProto, specification: ModelSpecification, facts: dict[str, str]) -> None:
    """Names the model, declares its outputs' axes, and writes facts into its metadata, in place."""
    model.producer_name, model.producer_version = "motioncast", facts.get("version", "")
    model.graph.name = specification.name
    model.doc_string = specification.description
    for declared, tensor in zip(model.graph.output, specification.outputs, strict=True):
        declared.CopyFrom(value_info(tensor))
    onnx.helper.set_model_props(model, facts)


def check(model: ModelProto) -> None:
    """Raises ValueError, or onnx's own errors, for what a standard runtime might not load."""
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
    """Counts the operators of a model, those in the bodies of its loops included."""
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


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keeps quiet what torch 2.13 says about itself: nothing of it is about the module."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns that torchvision, unused here, is absent
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, message=".*LeafSpec")
            # One name serves the same axis of several inputs, as it should.
            warnings.filterwarnings("ignore", message=".*shares the same shape constraints")
            yield
    finally:
        logger.setLevel(level)


def _example(tensor: TensorSpecification) -> torch.Tensor:
    """Returns zeros of a shape whose variable lengths differ from one another and from 1."""
    return torch.from_numpy(np.zeros(tensor.shape(batch=2, time=3), tensor.dtype))


def _forget_machine(model: ModelProto) -> None:
    """Drops the stack traces and paths that the exporter notes, and inferred inner shapes."""
    for node in nodes(model.graph):
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
        value.doc_string = ""
    for weights in model.graph.initializer:
        del weights.metadata_props[:]
        weights.doc_string = ""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
