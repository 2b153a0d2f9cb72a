"""Services whose models run on a KServe v2 server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.command_line import Run

from motioncast.inference.kserve import KServeSettings
from motioncast.local.engines import EngineOptions, check_options
from motioncast.v1.keypoint_pb2 import ListModelsRequest
from motioncast.v1.keypoint_pb2_grpc import KeypointServiceStub
from motioncast.wire.errors import InvalidInputError

_SERVE = (sys.executable, "-m", "motioncast.cli.main", "serve")


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Runs `motioncast serve` on free ports; yields the first announced address."""
    options = ("--port", "0", "--http-port", "0", "--log-level", "WARNING")
    process = subprocess.Popen([*_SERVE, *arguments, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process.stdout.readline().split()[1]
    process.terminate()
    process.communicate()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def model_server(toy_repository: Path) -> Iterator[str]:
    with serving("models", "--models", str(toy_repository)) as address:
        yield address


def test_all_services_run_on_a_model_server(
    run: Run, clip: Path, model_server: str, tmp_path: Path
) -> None:
    with serving("--triton-url", model_server) as target:
        options = ("--target", target, "--predicted", 1, "--out", tmp_path, "--quiet")
        result = run("stream", clip, *options)
    assert result.code == 0, result.err
    frames = json.loads((tmp_path / "report.json").read_text())["frames"]
    assert (frames["observed"], frames["predicted"]) == (5, 5)


def test_one_service_runs_on_a_model_server(model_server: str) -> None:
    with (
        serving("keypoint", "--triton-url", model_server) as address,
        grpc.insecure_channel(address) as channel,
    ):
        listed = KeypointServiceStub(channel).ListModels(ListModelsRequest())
    assert [(model.name, model.keypoints) for model in listed.models] == [("toy", 2)]


def test_a_file_that_cannot_be_read_is_named() -> None:
    options = ["--triton-url", "h:1", "--triton-root-certificates", "none.pem"]
    ended = subprocess.run([*_SERVE, *options], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "motioncast: root_certificates: none.pem cannot be read (No such file or directory)\n"
    )


@pytest.mark.parametrize("option", [{"repository": Path()}, {"threads": 2}, {"max_runs": 2}])
def test_what_the_model_server_decides_is_not_asked_of_the_services(
    option: dict[str, Any],
) -> None:
    options = EngineOptions(server=KServeSettings("h:1"), **option)
    with pytest.raises(
        InvalidInputError, match=r": does not apply to the model server at h:1; set it there$"
    ):
        check_options("remote", options)


def test_bare_models_are_not_served_from_another_server(run: Run) -> None:
    result = run("serve", "models", "--triton-url", "h:1")
    assert result.code == 1
    assert "triton-url: cannot be combined with `serve models`" in result.err


def test_options_of_a_server_that_is_not_named_are_refused(run: Run) -> None:
    result = run("serve", "--triton-tls")
    assert result.code == 2
    assert "--triton-url" in result.err
