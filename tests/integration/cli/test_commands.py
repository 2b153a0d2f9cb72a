"""The commands serve, info, demo, those that delegate to other programs, and help."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest
from support.command_line import Run
from support.toy_ensembles import build_joined_repository
from support.toy_models import build_toy_repository

from motioncast.inference.checksums import write_checksums


def test_all_services_run_in_one_process_and_a_stream_goes_through(
    run: Run, served: dict[str, str], clip: Path, tmp_path: Path
) -> None:
    assert list(served) == ["orchestrator", "keypoint", "predictor", "synthesis"]
    target = served["orchestrator"]
    result = run("stream", clip, "--target", target, "--out", tmp_path, "--quiet")
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["configuration"]["target"] == target


def test_info_tells_what_is_served(run: Run, served: dict[str, str], tmp_path: Path) -> None:
    wanted = tmp_path / "info.json"
    result = run("info", "--target", served["orchestrator"], "--json", wanted)
    assert result.code == 0, result.err
    assert "toy" in result.out
    told = json.loads(wanted.read_text())
    size = {"height": 16, "width": 16, "keypoints": 2}
    rest = {"framing": "off", "source_weights": [], "codec_tables": "", "anchored_keypoints": 0}
    assert told["models"] == [{"name": "toy", **size, **rest, "registers": False}]
    assert told["max_sources"] == 4


def _serve(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "motioncast.cli.main", "serve", *arguments]
    ports = ["--port", "0", "--http-port", "0", "--log-level", "WARNING"]
    return subprocess.Popen([*command, *ports], stdout=subprocess.PIPE, text=True)


def _announced(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Returns address and metrics URL of the single service announced by a process."""
    assert process.stdout is not None
    process.stdout.readline()
    _, address, url = process.stdout.readline().split()
    return address, url


def test_four_processes_make_one_system_and_end_when_told(
    run: Run, clip: Path, toy_repository: Path, tmp_path: Path
) -> None:
    names = ("keypoint", "predictor", "synthesis")
    processes = [_serve(name, "--models", str(toy_repository)) for name in names]
    addresses = [_announced(process)[0] for process in processes]
    options = [f"--{name}={address}" for name, address in zip(names, addresses, strict=True)]
    processes.append(_serve("orchestrator", *options))
    target, url = _announced(processes[-1])
    asked = ("--target", target, "--predicted", 1, "--out", tmp_path, "--quiet")
    assert run("stream", clip, *asked).code == 0
    with urllib.request.urlopen(url) as answer:
        assert b'motioncast_frames_total{origin="predicted"} 5.0' in answer.read()
    for process, stop, code in zip(
        processes, [signal.SIGTERM, signal.SIGINT] * 2, [0, 130] * 2, strict=True
    ):
        process.send_signal(stop)
        process.communicate()
        assert process.returncode == code


def test_an_orchestrator_and_a_model_server_make_one_system_too(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    repository = build_joined_repository(tmp_path / "models")
    processes = [_serve("models", "--models", str(repository))]
    server, _ = _announced(processes[0])
    ensembles = ["--pipeline", "ensemble", "--triton-url", server]
    processes.append(_serve("orchestrator", *ensembles))
    target, _ = _announced(processes[1])
    out = tmp_path / "out"
    assert run("stream", clip, "--target", target, "--out", out, "--quiet").code == 0
    latency = json.loads((out / "report.json").read_text())["latency"]
    counts = {stage["stage"]: stage["count"] for stage in latency}
    assert counts["ensemble"] == counts["total"] > 0
    assert counts["synthesis"] == 0
    for process in reversed(processes):
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 0


def test_a_service_that_is_down_is_named(run: Run, clip: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    orchestrator = _serve("orchestrator", "--keypoint", address)
    target, _ = _announced(orchestrator)
    result = run("stream", clip, "--target", target, "--out", tmp_path / "out", "--quiet")
    orchestrator.terminate()
    orchestrator.communicate()
    assert result.code == 1
    assert result.err == f"motioncast: the keypoint service at {address} does not answer\n"
    assert not (tmp_path / "out").exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    build_toy_repository(tmp_path)
    for model in tmp_path.iterdir():
        write_checksums(model)  # without them a warning is logged
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        _refused(
            ["keypoint", "--port", port, "--http-port", "0", "--models", str(tmp_path)],
            f"port: cannot listen on 127.0.0.1:{port}; is it in use by another server?",
        )


def test_a_limit_out_of_range_is_named() -> None:
    _refused(["--max-sessions", "0"], "max_sessions: 0 is less than 1")


def _refused(options: list[str], sentence: str) -> None:
    command = [sys.executable, "-m", "motioncast.cli.main", "serve", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"motioncast: {sentence}\n"


def test_the_demo_streams_a_clip_that_it_brings(run: Run, tmp_path: Path) -> None:
    result = run("demo", "--out", tmp_path, "--quiet")
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["frames"] == {"total": 117, "observed": 59, "predicted": 58, "concealed": 0}
    assert report["bytes"]["frames"] == 0
    assert 0 < report["bytes"]["source"] < 256 * 256 * 3 / 4  # compressed
    assert {rival["codec"].split()[0] for rival in report["rivals"]} == {"x264", "AV1"}
    page = (tmp_path / "report.html").read_text()
    assert f"{report['bytes']['results']:,} bytes" in page
    assert f"{report['rivals'][0]['bytes']:,}" in page


@pytest.mark.parametrize(
    "command",
    [
        ["stream"],
        ["serve"],
        ["demo"],
        ["info"],
        ["bench"],
        ["export"],
        ["train", "synthesis"],
        ["train", "tracks"],
        ["train", "predictor"],
        ["evaluate", "synthesis"],
        ["evaluate", "forecast"],
        ["evaluate", "m1"],
        ["evaluate", "m2"],
        ["evaluate", "bair"],
        ["evaluate", "horizons"],
    ],
)
def test_every_command_explains_itself(run: Run, command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.code == 0
    assert "usage" in result.out.lower()


def test_the_version_is_that_of_the_distribution(run: Run) -> None:
    assert run("--version").out == f"motioncast {version('motioncast')}\n"


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    program = (
        "import sys; import motioncast.cli.app;"
        "heavy = {'av', 'grpc', 'jinja2', 'numpy', 'onnxruntime', 'PIL', 'skimage', 'torch'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[]\n"
