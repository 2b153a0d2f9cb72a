"""Leftover operators in a graph are found, and fusions by ONNX Runtime are counted."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from motioncast.export.fusion import fused, leftovers, optimised, profile, summary, unfused


def graph(*made: NodeProto) -> ModelProto:
    """Returns a graph from x to y, (batch, 16, 8, 8), with the weights named in the nodes."""
    maps: list[str | int] = ["batch", 16, 8, 8]
    weights = np.full((16, 16, 3, 3), 0.01, np.float32)
    constants = [numpy_helper.from_array(weights, "weights")]
    constants += [numpy_helper.from_array(np.ones(16, np.float32), name) for name in "abcd"]
    used = {name for one in made for name in one.input}
    inner = helper.make_graph(
        list(made),
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, maps)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, maps)],
        [constant for constant in constants if constant.name in used],
    )
    model = helper.make_model(inner, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def conv(before: str, after: str) -> NodeProto:
    return helper.make_node("Conv", [before, "weights"], [after], name=after, pads=[1, 1, 1, 1])


def node(operator: str, before: str, after: str) -> NodeProto:
    return helper.make_node(operator, [before], [after], name=operator.lower())


def test_a_relu_behind_a_convolution_is_fused() -> None:
    model = graph(conv("x", "made"), node("Relu", "made", "y"))
    loaded = optimised(model)
    assert leftovers(model) == []
    assert unfused(loaded) == []
    assert fused(loaded) == 1


def test_a_residual_sum_is_fused_with_its_relu() -> None:
    block = [conv("x", "first"), node("Relu", "first", "inner"), conv("inner", "second")]
    total = helper.make_node("Add", ["second", "start"], ["sum"])
    start = [conv("x", "before"), helper.make_node("Relu", ["before"], ["start"], name="start")]
    block[0] = conv("start", "first")
    loaded = optimised(graph(*start, *block, total, helper.make_node("Relu", ["sum"], ["y"])))
    assert fused(loaded) == 3
    assert not any(one.op_type in {"Relu", "Add"} for one in loaded.graph.node)


def test_norms_identities_and_casts_between_floats_are_left_over() -> None:
    norm = helper.make_node("BatchNormalization", ["x", *"abcd"], ["normal"], name="norm")
    model = graph(
        norm,
        node("Identity", "normal", "same"),
        helper.make_node("Cast", ["same"], ["half"], name="cast", to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["half"], ["y"], name="back", to=TensorProto.FLOAT),
    )
    assert leftovers(model) == [
        "BatchNormalization norm",
        "Identity identity",
        "Cast cast",
        "Cast back",
    ]
    assert "left over: BatchNormalization norm" in summary(model)


def test_an_activation_that_stays_outside_is_named() -> None:
    nodes = [conv("x", "made"), helper.make_node("Relu", ["made"], ["y"], name="lonely")]
    assert unfused(graph(*nodes)) == ["Relu lonely"]  # the unoptimised graph


def test_the_shares_of_the_operators_add_up_to_one() -> None:
    model = graph(conv("x", "made"), node("Sqrt", "made", "y"))
    times = profile(model, {"x": np.zeros((2, 16, 8, 8), np.float32)})
    assert {"Conv", "Sqrt"} <= {one.operator for one in times}
    assert sum(one.share for one in times) == pytest.approx(1)
    assert all(one.ms >= 0 and one.count >= 1 for one in times)
