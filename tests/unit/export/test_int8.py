"""INT8 ranges come from the calibration batches, and operators on positions stay float32."""

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

from motioncast.export.graph import check, operators
from motioncast.export.int8 import about_places, thin, to_int8


def graph() -> ModelProto:
    """conv -> relu -> conv -> y, and -> conv -> reshape -> softmax -> where."""
    generator = np.random.default_rng(0)
    maps: list[str | int] = ["batch", 4, 6, 6]
    constants = [
        numpy_helper.from_array(generator.normal(0, 0.2, (4, 4, 3, 3)).astype(np.float32), name)
        for name in ("w1", "w2", "w3")
    ]
    constants.append(numpy_helper.from_array(np.array([0, 4, 36]), "flat"))
    pads = [1, 1, 1, 1]
    inner = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w1"], ["a"], "first", pads=pads),
            helper.make_node("Relu", ["a"], ["b"], "relu"),
            helper.make_node("Conv", ["b", "w2"], ["y"], "second", pads=pads),
            helper.make_node("Conv", ["b", "w3"], ["logits"], "masks", pads=pads),
            helper.make_node("Reshape", ["logits", "flat"], ["rows"], "reshape"),
            helper.make_node("Softmax", ["rows"], ["where"], "softmax", axis=-1),
        ],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, maps)],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, maps),
            helper.make_tensor_value_info("where", TensorProto.FLOAT, ["batch", 4, 36]),
        ],
        constants,
    )
    return helper.make_model(inner, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def batches(largest: float) -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(1)
    x = generator.uniform(0, 1, (3, 2, 4, 6, 6)).astype(np.float32)
    return [{"x": one * (largest / x.max())} for one in x]


def y_of(model: ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(["y"], inputs)[0])


def test_convolutions_that_a_softmax_reads_stay_in_float32() -> None:
    model = graph()
    assert about_places(model) == ["masks"]
    quantised = to_int8(model, batches(1.0))
    weights = {tensor.name: tensor.data_type for tensor in quantised.graph.initializer}
    assert weights["w3"] == TensorProto.FLOAT
    assert weights["w1_quantized"] == weights["w2_quantized"] == TensorProto.INT8


def test_convolutions_with_a_single_output_channel_stay_in_float32() -> None:
    model = graph()
    (second,) = (one for one in model.graph.initializer if one.name == "w2")
    second.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(second)[:1], "w2"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    assert thin(model) == ["second"]
    quantised = to_int8(model, batches(1.0))
    weights = {tensor.name: tensor.data_type for tensor in quantised.graph.initializer}
    assert weights["w2"] == TensorProto.FLOAT
    assert weights["w1_quantized"] == TensorProto.INT8


def test_a_quantised_model_has_standard_operators_only_and_the_same_interface() -> None:
    model = graph()
    before = model.SerializeToString()
    quantised = to_int8(model, batches(1.0))
    check(quantised)
    assert operators(quantised)["Conv"] == 3
    assert operators(quantised)["QuantizeLinear"] >= 2
    assert quantised.graph.input == model.graph.input
    assert quantised.graph.output == model.graph.output
    assert model.SerializeToString() == before  # the input graph is unchanged


def test_weights_have_a_scale_for_each_output_channel() -> None:
    quantised = to_int8(graph(), batches(1.0))
    scales = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in quantised.graph.initializer
    }
    weights = next(
        onnx.numpy_helper.to_array(one) for one in graph().graph.initializer if one.name == "w1"
    )
    largest = np.abs(weights).max(axis=(1, 2, 3))
    np.testing.assert_allclose(scales["w1_scale"], largest / 127, rtol=0.02)


def test_the_error_is_of_the_order_of_a_step_and_ranges_come_from_the_batches() -> None:
    model, (shown, *_) = graph(), batches(1.0)
    expected = y_of(model, shown)
    error = np.abs(y_of(to_int8(model, batches(1.0)), shown) - expected)
    step = (expected.max() - expected.min()) / 255
    assert 0 < error.mean() < 2 * step
    of_wide_ranges = np.abs(y_of(to_int8(model, batches(50.0)), shown) - expected)
    assert of_wide_ranges.mean() > 5 * error.mean()
