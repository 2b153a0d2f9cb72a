"""A rollout runs its step once per frame and passes the state on."""

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from motioncast.export.graph import check
from motioncast.export.rollout import roll_out, step_specification
from motioncast.export.specification import (
    BATCH,
    TIME,
    ModelSpecification,
    TensorSpecification,
    Tolerance,
)

# state' = state + keypoints, forecast = 10 * state: the forecast is ten times the sum so far.
ROLLOUT = ModelSpecification(
    name="running_sum",
    description="",
    inputs=(
        TensorSpecification("keypoints", "float32", (BATCH, TIME, 2)),
        TensorSpecification("state", "float32", (BATCH, 2)),
    ),
    outputs=(
        TensorSpecification("forecast", "float32", (BATCH, TIME, 2)),
        TensorSpecification("next_state", "float32", (BATCH, 2)),
    ),
    tolerances={"forecast": Tolerance(0), "next_state": Tolerance(0)},
    max_batch_size=1,
    dynamic_batching=False,
)


@pytest.fixture(scope="module")
def rollout() -> ModelProto:
    vector: list[str | int | None] = [BATCH, 2]
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["state", "keypoints"], ["next_state"]),
            helper.make_node("Mul", ["ten", "state"], ["forecast"]),
        ],
        "step",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, vector)
            for name in ("keypoints", "state")
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, vector)
            for name in ("forecast", "next_state")
        ],
        [helper.make_tensor("ten", TensorProto.FLOAT, [], [10.0])],
    )
    opset = helper.make_opsetid("", 20)
    return roll_out(helper.make_model(graph, opset_imports=[opset], ir_version=10), ROLLOUT)


def run(
    model: ModelProto, keypoints: NDArray[np.float32], state: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    outputs: list[NDArray[np.float32]] = session.run(
        ["forecast", "next_state"], {"keypoints": keypoints, "state": state}
    )
    return outputs


@pytest.mark.parametrize(("batch", "frames"), [(1, 1), (1, 7), (3, 1), (4, 5)])
def test_the_state_runs_through_any_number_of_frames(
    rollout: ModelProto, batch: int, frames: int
) -> None:
    generator = np.random.default_rng(0)
    keypoints = generator.integers(-9, 9, (batch, frames, 2)).astype(np.float32)
    state = generator.integers(-9, 9, (batch, 2)).astype(np.float32)
    sums = state[:, None] + np.cumsum(keypoints, axis=1)
    forecast, next_state = run(rollout, keypoints, state)
    np.testing.assert_array_equal(next_state, sums[:, -1])
    np.testing.assert_array_equal(forecast, 10 * (sums - keypoints))


def test_two_calls_with_the_state_between_them_are_one(rollout: ModelProto) -> None:
    keypoints = np.arange(24, dtype=np.float32).reshape(2, 6, 2)
    whole, last = run(rollout, keypoints, np.zeros((2, 2), np.float32))
    first, state = run(rollout, keypoints[:, :4], np.zeros((2, 2), np.float32))
    second, end = run(rollout, keypoints[:, 4:], state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)
    np.testing.assert_array_equal(end, last)


def test_a_rollout_is_a_valid_model(rollout: ModelProto) -> None:
    check(rollout)


def test_a_step_has_the_rollouts_tensors_without_time() -> None:
    step = step_specification(ROLLOUT)
    assert [(tensor.name, tensor.axes) for tensor in (*step.inputs, *step.outputs)] == [
        ("keypoints", (BATCH, 2)),
        ("state", (BATCH, 2)),
        ("forecast", (BATCH, 2)),
        ("next_state", (BATCH, 2)),
    ]
