"""Translates a PyTorch module to an ONNX graph that has no trace of the exporting machine."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from onnx import ModelProto
from torch import nn

from motioncast.export.graph import OPSET, nodes
from motioncast.export.specification import (
    NAMED,
    ModelSpecification,
    TensorSpecification,
)

LONGEST_AXIS = 1 << 16


def to_onnx(module: nn.Module, specification: ModelSpecification) -> ModelProto:
    """Translates a module with the specification's inputs and outputs; named axes are dynamic."""
    dimensions = {axis: torch.export.Dim(axis, min=1, max=LONGEST_AXIS) for axis in NAMED}
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


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silences warnings that torch 2.13 emits about itself; none concern the module."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # warns that torchvision, unused here, is missing
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, message=".*LeafSpec")
            # Several inputs share an axis by name on purpose.
            warnings.filterwarnings("ignore", message=".*shares the same shape constraints")
            yield
    finally:
        logger.setLevel(level)


def _example(tensor: TensorSpecification) -> torch.Tensor:
    """Returns zeros whose variable lengths differ from one another and from 1."""
    return torch.from_numpy(np.zeros(tensor.shape(batch=2, time=3), tensor.dtype))


def _forget_machine(model: ModelProto) -> None:
    """Drops stack traces and paths recorded by the exporter, and inferred inner shapes."""
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
