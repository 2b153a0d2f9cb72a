"""The backend's responses to Triton's requests, with real ONNX models."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.python_backend_utils import (
    InferenceRequest,
    InferenceResponse,
    Logger,
    Tensor,
    TritonError,
    TritonModelException,
)
from support.toy_models import write_model

# Adds the number of items in the run to each item, so the response shows the batch size.
_COUNT = """
m (float[B, N] x) => (float[B, N] y, float[B, N] twice)
<float one = {1}>
{
    shape = Shape<start = 0, end = 1>(x)
    items = Cast<to = 1>(shape)
    y = Add(x, items)
    twice = Add(x, x)
}
"""
_TABLE = """
m (int64[B, 1] x) => (float[B, 1] y) <float[3] table = {10, 20, 30}> { y = Gather(table, x) }
"""
_TURNS = """
m (int64[B, 1] x) => (int64[B, 1] y) <bool yes = {1}>
{
    count = ReduceMax<keepdims = 0>(x)
    y = Loop<
        body = turn (int64 i, bool go, int64[B, 1] before) => (bool go_on, int64[B, 1] next)
        { next = Identity(before) go_on = Identity(go) }
    >(count, yes, x)
}
"""
_TWO_INPUTS = "m (float[B, T] x, float[B, T] z) => (float[B, T] y) { y = Add(x, z) }"


def _tensor(name: str, kind: str, *dims: int) -> dict[str, object]:
    return {"name": name, "data_type": f"TYPE_{kind}", "dims": list(dims)}


_X = _tensor("x", "FP32", -1)
_Y = _tensor("y", "FP32", -1)
_COUNT_OUTPUTS = [_Y, _tensor("twice", "FP32", -1)]
_INTEGER = [_tensor("x", "INT64", 1)]


def _open(
    root: Path,
    text: str,
    inputs: list[dict[str, object]],
    outputs: list[dict[str, object]],
    max_batch_size: int = 8,
) -> Any:
    """Returns a loaded instance of a model."""
    from motioncast.triton.backend.model import TritonPythonModel

    write_model(root, "m", text)
    config = {"max_batch_size": max_batch_size, "input": inputs, "output": outputs}
    model = TritonPythonModel()
    model.initialize(
        {
            "model_name": "m",
            "model_config": json.dumps(config),
            "model_repository": str(root / "m"),
            "model_version": "1",
            "model_instance_kind": "CPU",
            "model_instance_device_id": "0",
        }
    )
    return model


def _request(
    x: NDArray[Any], *outputs: str, is_cancelled: Callable[[], bool] = lambda: False
) -> InferenceRequest:
    return InferenceRequest([Tensor("x", x)], list(outputs or ("y",)), is_cancelled)


def _rows(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_requests_of_one_shape_run_together_and_are_answered_apart(tmp_path: Path) -> None:
    model = _open(tmp_path, _COUNT, [_X], _COUNT_OUTPUTS)
    first, second = model.execute([_request(_rows([1], [2])), _request(_rows([10]))])
    model.finalize()
    np.testing.assert_array_equal(first.outputs["y"], _rows([4], [5]))  # 3 items ran
    np.testing.assert_array_equal(second.outputs["y"], _rows([13]))


def test_requests_of_different_shapes_run_apart(tmp_path: Path) -> None:
    model = _open(tmp_path, _COUNT, [_X], _COUNT_OUTPUTS)
    responses = model.execute([_request(_rows([1])), _request(_rows([1, 2])), _request(_rows([5]))])
    model.finalize()
    answers = [response.outputs["y"].tolist() for response in responses]
    assert answers == [[[3]], [[2, 3]], [[7]]]


def test_a_model_without_a_batch_axis_runs_once_for_each_request(tmp_path: Path) -> None:
    wide = [_tensor("x", "FP32", -1, -1)]
    outputs = [_tensor("y", "FP32", -1, -1), _tensor("twice", "FP32", -1, -1)]
    model = _open(tmp_path, _COUNT, wide, outputs, max_batch_size=0)
    responses = model.execute([_request(_rows([1])), _request(_rows([1]))])
    model.finalize()
    assert [response.outputs["y"].tolist() for response in responses] == [[[2]], [[2]]]


def test_each_caller_gets_the_outputs_it_asked_for(tmp_path: Path) -> None:
    model = _open(tmp_path, _COUNT, [_X], _COUNT_OUTPUTS)
    first, second = model.execute([_request(_rows([1]), "twice"), _request(_rows([2]), "y")])
    model.finalize()
    assert {name: array.tolist() for name, array in first.outputs.items()} == {"twice": [[2]]}
    assert {name: array.tolist() for name, array in second.outputs.items()} == {"y": [[4]]}


def test_a_request_that_fails_does_not_fail_those_it_was_joined_with(tmp_path: Path) -> None:
    model = _open(tmp_path, _TABLE, _INTEGER, [_tensor("y", "FP32", 1)])
    good, bad = model.execute([_request(np.array([[1]])), _request(np.array([[9]]))])
    model.finalize()
    assert good.outputs["y"].tolist() == [[20]]
    assert bad.error.code == TritonError.INTERNAL
    assert bad.error.message == "the run of m failed; see the server's log"
    assert "Gather" in Logger.lines[-1]


def test_a_request_cancelled_before_it_ran_is_not_run(tmp_path: Path) -> None:
    model = _open(tmp_path, _COUNT, [_X], _COUNT_OUTPUTS)
    gone, there = model.execute(
        [_request(_rows([1]), is_cancelled=lambda: True), _request(_rows([5]))]
    )
    model.finalize()
    assert gone.error.code == TritonError.CANCELLED
    assert there.outputs["y"].tolist() == [[6]]  # it ran alone


def test_a_run_ends_when_all_its_callers_have_given_up(tmp_path: Path) -> None:
    model = _open(tmp_path, _TURNS, _INTEGER, [_tensor("y", "INT64", 1)])
    endless = np.array([[10**15]])
    looks = itertools.count()  # both callers wait at the start and are gone at the next check
    responses: list[InferenceResponse] = model.execute(
        [_request(endless, is_cancelled=lambda: next(looks) >= 2) for _ in range(2)]
    )
    model.finalize()
    assert [response.error and response.error.code for response in responses] == [
        TritonError.CANCELLED
    ] * 2


def test_a_run_goes_on_while_one_caller_waits(tmp_path: Path) -> None:
    model = _open(tmp_path, _TURNS, _INTEGER, [_tensor("y", "INT64", 1)])
    looks = itertools.count()
    gone = _request(np.array([[100_000]]), is_cancelled=lambda: next(looks) >= 1)
    _, waiting = model.execute([gone, _request(np.array([[200_000]]))])
    model.finalize()
    assert waiting.outputs["y"].tolist() == [[200_000]]


def test_axes_of_one_name_have_to_agree(tmp_path: Path) -> None:
    model = _open(tmp_path, _TWO_INPUTS, [_X, _tensor("z", "FP32", -1)], [_Y])
    tensors = [Tensor("x", _rows([1, 2])), Tensor("z", _rows([1, 2, 3]))]
    [response] = model.execute([InferenceRequest(tensors, ["y"])])
    model.finalize()
    assert response.error.code == TritonError.INVALID_ARG
    assert response.error.message == "z: T is 3, but 2 in x"


def test_a_model_that_does_not_fit_its_config_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(TritonModelException, match=r"^m: the config does not match the model: "):
        _open(tmp_path, _COUNT, [_X], [_tensor("z", "FP32", -1)])
