"""Model runs on the KServe v2 server, and requests it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from support.kserve_requests import IMAGE, KEYPOINTS, SUM, refusal, request
from support.kserve_server import KServeServed, serving_kserve
from support.toy_models import write_model
from tritonclient.grpc import service_pb2


async def test_a_run_answers_raw_with_the_id_that_was_given(served: KServeServed) -> None:
    response = await served.stub.ModelInfer(request(id="7b"))
    assert (response.model_name, response.model_version) == ("toy_keypoint", "1")
    assert response.id == "7b"
    [output] = response.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("keypoints", "FP32", [1, 2, 3])
    [raw] = response.raw_output_contents
    np.testing.assert_allclose(np.frombuffer(raw, "<f4").reshape(1, 2, 3), KEYPOINTS, atol=1e-6)
    assert response.parameters["motioncast_run_ns"].int64_param > 0


async def test_inputs_may_come_as_typed_contents(tmp_path: Path) -> None:
    write_model(tmp_path, "sum", SUM)
    inputs: list[dict[str, Any]] = [
        {"name": "bytes", "datatype": "UINT8", "contents": {"uint_contents": [1, 255]}},
        {"name": "floats", "datatype": "FP32", "contents": {"fp32_contents": [0.5, -1]}},
        {"name": "flags", "datatype": "BOOL", "contents": {"bool_contents": [True, False]}},
        {"name": "wide", "datatype": "INT64", "contents": {"int64_contents": [-3, 10]}},
    ]
    for each in inputs:
        each["shape"] = [2]
    async with serving_kserve(tmp_path) as served:
        response = await served.stub.ModelInfer(
            service_pb2.ModelInferRequest(model_name="sum", inputs=inputs)
        )
    assert np.frombuffer(response.raw_output_contents[0], "<f4").tolist() == [-0.5, 264]


async def test_only_the_outputs_asked_for_are_answered_in_their_order(
    served: KServeServed,
) -> None:
    inputs = {
        "keypoints": np.full((1, 2, 2, 3), 0.5, np.float32),
        "observed": np.ones((1, 2), np.float32),
        "noise": np.zeros((1, 2, 2), np.float32),
        "state": np.zeros((1, 13), np.float32),
    }
    asked = request(
        model_name="toy_predictor",
        inputs=[
            {"name": name, "datatype": "FP32", "shape": array.shape}
            for name, array in inputs.items()
        ],
        raw_input_contents=[array.tobytes() for array in inputs.values()],
        outputs=[{"name": "next_state"}, {"name": "forecast"}],
    )
    response = await served.stub.ModelInfer(asked)
    assert [output.name for output in response.outputs] == ["next_state", "forecast"]
    assert len(response.raw_output_contents) == 2
    asked.outputs.add(name="future")
    status, told = await refusal(served.stub.ModelInfer(asked))
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert told.startswith("outputs: the model toy_predictor has no output future; it has ")


_CONTENTS = {"contents": {"uint_contents": [1] * 768}}
_TENSOR = {"name": "image", "datatype": "UINT8", "shape": [1, 16, 16, 3]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"inputs": [{**_TENSOR, "datatype": "BYTES"}]},
            "image: type BYTES, which is not supported",
        ),
        (
            {"inputs": [{**_TENSOR, "datatype": ""}]},
            "image: type missing, which is not supported",
        ),
        (
            {"inputs": [{**_TENSOR, "shape": [2, 16, 16, 3]}]},
            "image: 768 bytes, but shape [2, 16, 16, 3] of UINT8 takes 1536",
        ),
        (
            {"inputs": [{**_TENSOR, "shape": [-1, 16, 16, -3]}]},
            "image: shape [-1, 16, 16, -3] has a negative length",
        ),
        (
            {"inputs": [{**_TENSOR, "shape": [0, 2**62, 4]}], "raw_input_contents": [b""]},
            f"image: shape [0, {2**62}, 4] is too large for an array",
        ),
        (
            {"inputs": [{**_TENSOR, "shape": [1, 768]}]},
            "image: shape [1, 768], but the model takes [B, 16, 16, 3]",
        ),
        (
            {"inputs": [{**_TENSOR, "datatype": "INT8"}]},
            "image: type int8, but the model takes uint8",
        ),
        ({"inputs": [_TENSOR, _TENSOR]}, "image: given twice"),
        ({"inputs": [{**_TENSOR, **_CONTENTS}]}, "image: given both typed and raw"),
        (
            {"inputs": [{**_TENSOR, "name": "picture"}]},
            "picture: unknown; the model toy_keypoint takes image",
        ),
        (
            {"raw_input_contents": [IMAGE.tobytes()] * 2},
            "raw_input_contents: 2 elements for 1 tensors",
        ),
        (
            {"raw_input_contents": []},
            "image: 0 in uint_contents, but shape [1, 16, 16, 3] takes 768",
        ),
        (
            {
                "inputs": [{**_TENSOR, "contents": {"uint_contents": [256] * 768}}],
                "raw_input_contents": [],
            },
            "image: a value is out of range [0, 255] of UINT8",
        ),
        (
            {"inputs": [{**_TENSOR, "datatype": "FP16"}], "raw_input_contents": []},
            "image: FP16 can only be given raw",
        ),
        (
            {"inputs": [], "raw_input_contents": []},
            "image: missing; the model toy_keypoint requires",
        ),
        ({"model_version": "one"}, "version: 'one' is not a number"),
        (
            {"outputs": [{"name": "keypoints", "parameters": {"classification": {}}}]},
            "outputs: classification is not supported",
        ),
    ],
)
async def test_a_wrong_request_is_refused_in_words(
    served: KServeServed, changes: dict[str, Any], sentence: str
) -> None:
    status, told = await refusal(served.stub.ModelInfer(request(**changes)))
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert told.startswith(sentence)


async def test_an_unknown_model_or_version_is_not_found(served: KServeServed) -> None:
    for changes in ({"model_name": "toy"}, {"model_version": "2"}):
        status, told = await refusal(served.stub.ModelInfer(request(**changes)))
        assert status is grpc.StatusCode.NOT_FOUND
        assert told.startswith("model: toy")
    asked = service_pb2.ModelReadyRequest(name="toy_keypoint", version="1")
    assert (await served.stub.ModelReady(asked)).ready
    for name, version in (("toy", ""), ("toy_keypoint", "2")):
        asked = service_pb2.ModelReadyRequest(name=name, version=version)
        assert not (await served.stub.ModelReady(asked)).ready
