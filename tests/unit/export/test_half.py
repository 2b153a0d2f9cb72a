"""float16 covers operators between convolutions, but nothing that concerns positions."""

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

from motioncast.export.half import count_half, to_float16


def graph() -> ModelProto:
    """conv -> relu -> conv -> + relu -> (softmax, conv), as in a network with a residual."""
    generator = np.random.default_rng(0)
    maps: list[str | int] = ["batch", 4, 6, 6]
    weights = [
        numpy_helper.from_array(generator.normal(0, 0.2, (4, 4, 3, 3)).astype(np.float32), name)
        for name in ("w1", "w2", "w3")
    ]
    pads = [1, 1, 1, 1]
    inner = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w1"], ["a"], pads=pads),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "w2"], ["c"], pads=pads),
            helper.make_node("Add", ["c", "b"], ["sum"]),
            helper.make_node("Softmax", ["sum"], ["where"], axis=-1),
            helper.make_node("Add", ["sum", "where"], ["mixed"]),
            helper.make_node("Conv", ["mixed", "w3"], ["y"], pads=pads),
        ],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, maps)],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, maps),
            helper.make_tensor_value_info("where", TensorProto.FLOAT, maps),
        ],
        weights,
    )
    return helper.make_model(inner, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: ModelProto, x: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return list(session.run(["y", "where"], {"x": x}))


def element_types(model: ModelProto) -> dict[str, int]:
    """Returns the element type of every value that a node makes."""
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


def test_convolutions_and_what_lies_between_them_are_in_float16() -> None:
    converted = to_float16(graph())
    onnx.checker.check_model(converted, full_check=True)
    types = element_types(converted)
    half = {
        name.removesuffix("_float16") for name, one in types.items() if one == TensorProto.FLOAT16
    }
    assert half == {"x", "a", "b", "c", "sum", "mixed", "y"}
    assert types["where"] == types["y"] == types["mixed"] == TensorProto.FLOAT
    assert count_half(converted) == 3 * 4 * 4 * 3 * 3


def test_a_sum_with_something_in_float32_stays_in_float32() -> None:
    made_by = {node.output[0]: node for node in to_float16(graph()).graph.node}
    assert list(made_by["mixed"].input) == ["sum", "where"]
    assert made_by["sum"].op_type == "Cast"
    assert list(made_by["sum_float16"].input) == ["c_float16", "b_float16"]


def test_float16_differs_by_its_rounding_only() -> None:
    model = graph()
    x = np.random.default_rng(1).uniform(0, 1, (2, 4, 6, 6)).astype(np.float32)
    expected, found = run(model, x), run(to_float16(model), x)
    for one, other in zip(expected, found, strict=True):
        assert other.dtype == np.float32
        np.testing.assert_allclose(other, one, atol=4 * 2**-11)  # values up to 2, four roundings
        assert (other != one).any()


def test_the_graph_that_is_converted_keeps_its_precision() -> None:
    model = graph()
    before = model.SerializeToString()
    to_float16(model)
    assert model.SerializeToString() == before
