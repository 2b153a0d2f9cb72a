"""`motioncast serve models`, driven from outside by NVIDIA's own client."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from support.toy_models import image_with_points, keypoints_of_points, write_model
from tritonclient.utils import InferenceServerException

DOUBLE = "double (float[N, 2] x) => (float[N, 2] y) { y = Add(x, x) }"
TRIPLE = "triple (float[N, 2] x) => (float[N, 2] y) { d = Add(x, x) y = Add(d, x) }"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, toy_repository: Path) -> Path:
    root = tmp_path_factory.mktemp("repository")
    write_model(root, "times", DOUBLE)
    write_model(root, "grows", DOUBLE)
    (root / "toy_keypoint").symlink_to(toy_repository / "toy_keypoint")
    return root


@pytest.fixture(scope="module")
def client(repository: Path) -> Iterator[tritonclient.grpc.InferenceServerClient]:
    command = [sys.executable, "-m", "motioncast.cli.main", "serve", "models"]
    options = ["--models", str(repository), "--port", "0", "--http-port", "0"]
    process = subprocess.Popen(
        [*command, *options, "--log-level", "WARNING"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    name, address, _ = process.stdout.readline().split()
    assert name == "models"
    with tritonclient.grpc.InferenceServerClient(address) as client:
        yield client
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0


def tensor(name: str, array: np.ndarray, datatype: str) -> tritonclient.grpc.InferInput:
    return tritonclient.grpc.InferInput(name, array.shape, datatype).set_data_from_numpy(array)


def test_a_run_gives_what_the_model_computes(
    client: tritonclient.grpc.InferenceServerClient,
) -> None:
    image = image_with_points((3, 4), (5, 6))[np.newaxis]
    result = client.infer("toy_keypoint", [tensor("image", image, "UINT8")], request_id="a")
    expected = keypoints_of_points((3, 4), (5, 6))[np.newaxis]
    np.testing.assert_allclose(result.as_numpy("keypoints"), expected, atol=1e-6)
    assert result.get_response().id == "a"


def test_runs_in_the_background_end_with_their_own_answers(
    client: tritonclient.grpc.InferenceServerClient,
) -> None:
    answers: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
    for n in range(20):
        x = np.full((1, 2), n, np.float32)
        client.async_infer(
            "times",
            [tensor("x", x, "FP32")],
            lambda result, error: answers.put((result, error)),
            request_id=str(n),
        )
    for _ in range(20):
        result, error = answers.get(timeout=60)
        assert error is None
        n = int(result.get_response().id)
        assert result.as_numpy("y").tolist() == [[2 * n, 2 * n]]


def test_the_questions_that_monitors_ask_are_answered(
    client: tritonclient.grpc.InferenceServerClient,
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("times")
    assert client.get_server_metadata(as_json=True)["name"] == "motioncast"
    assert client.get_model_metadata("times", as_json=True)["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": ["-1", "2"]}
    ]
    config = client.get_model_config("times", as_json=True)["config"]
    assert (config["name"], config["max_batch_size"]) == ("times", 64)
    before = client.get_inference_statistics("times").model_stats[0].inference_count
    client.infer("times", [tensor("x", np.ones((3, 2), np.float32), "FP32")])
    after = client.get_inference_statistics("times").model_stats[0].inference_count
    assert after - before == 3
    index = client.get_model_repository_index()
    assert [(model.name, model.state) for model in index.models] == [
        ("grows", "READY"),
        ("times", "READY"),
        ("toy_keypoint", "READY"),
    ]


def test_a_refusal_has_its_status_and_its_sentence(
    client: tritonclient.grpc.InferenceServerClient,
) -> None:
    wrong = tensor("x", np.ones((1, 3), np.float32), "FP32")
    with pytest.raises(InferenceServerException) as raised:
        client.infer("times", [wrong])
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert raised.value.message() == "x: shape [1, 3], but the model takes [N, 2]"
    words = tritonclient.grpc.InferInput("x", [1], "BYTES")
    words.set_data_from_numpy(np.array([b"word"], np.object_))
    with pytest.raises(InferenceServerException, match="x: type BYTES, which is not supported"):
        client.infer("times", [words])


def test_models_are_unloaded_and_loaded_in_a_new_version(
    client: tritonclient.grpc.InferenceServerClient, repository: Path
) -> None:
    x = tensor("x", np.ones((1, 2), np.float32), "FP32")
    client.unload_model("grows")
    assert not client.is_model_ready("grows")
    write_model(repository, "grows", TRIPLE, version=2)
    client.load_model("grows")
    assert client.infer("grows", [x]).as_numpy("y").tolist() == [[3, 3]]
    assert client.is_model_ready("grows", "2")
