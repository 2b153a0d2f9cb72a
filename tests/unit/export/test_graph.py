"""Exports only use what every ONNX runtime loads, and reveal nothing about the exporter."""

import pytest
import torch
from onnx import ModelProto, TensorProto, helper
from torch import Tensor, nn

from motioncast.export.graph import check, finish, operators
from motioncast.export.specification import (
    BATCH,
    TIME,
    ModelSpecification,
    TensorSpecification,
    Tolerance,
)
from motioncast.export.translation import to_onnx

MEAN = ModelSpecification(
    name="mean",
    description="the mean over time",
    inputs=(TensorSpecification("x", "float32", (BATCH, TIME, 4)),),
    outputs=(TensorSpecification("mean", "float32", (BATCH, 4)),),
    tolerances={"mean": Tolerance(1e-6)},
    max_batch_size=1,
    dynamic_batching=False,
)


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1)


def identity(domain: str = "", opset: int = 20, operator: str = "Identity") -> ModelProto:
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], domain=domain)],
        "identity",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [BATCH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [BATCH])],
    )
    imports = [helper.make_opsetid("", opset)]
    if domain:
        imports.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


@pytest.fixture(scope="module")
def exported() -> ModelProto:
    model = to_onnx(Mean(), MEAN)
    finish(model, MEAN, {"name": "mean", "version": "1.2"})
    return model


def test_a_standard_model_passes() -> None:
    check(identity())


def test_an_operator_of_another_domain_is_refused() -> None:
    with pytest.raises(ValueError, match=r"outside the standard: \['com.microsoft.Gelu'\]"):
        check(identity(domain="com.microsoft", operator="Gelu"))


def test_an_opset_that_is_too_new_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs opset ai.onnx 22 \(at most ai.onnx 21\)"):
        check(identity(opset=22))


def test_the_named_axes_of_an_exported_model_are_dynamic(exported: ModelProto) -> None:
    axes = [
        axis.dim_param or axis.dim_value
        for axis in exported.graph.input[0].type.tensor_type.shape.dim
    ]
    assert axes == [BATCH, TIME, 4]


def test_an_exported_model_carries_its_facts(exported: ModelProto) -> None:
    facts = {entry.key: entry.value for entry in exported.metadata_props}
    assert facts == {"name": "mean", "version": "1.2"}
    assert (exported.graph.name, exported.doc_string) == ("mean", "the mean over time")


def test_an_exported_model_names_no_path_of_the_exporting_machine(exported: ModelProto) -> None:
    content = exported.SerializeToString()
    assert torch.__file__.encode() not in content
    assert __file__.encode() not in content
    assert b".py" not in content


def test_operators_are_counted(exported: ModelProto) -> None:
    assert operators(exported) == {"ReduceMean": 1}
