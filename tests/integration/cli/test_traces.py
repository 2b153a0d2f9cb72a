"""`motioncast serve --traces-endpoint`: separate processes produce one trace per session."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.collector import collecting
from support.command_line import Run

INNER = ("keypoint", "predictor", "synthesis")


@contextmanager
def serving(service: str, *options: str) -> Iterator[str]:
    """Runs one service during the block; yields its address."""
    command = [sys.executable, "-m", "motioncast.cli.main", "serve", service, *options]
    command += ["--port", "0", "--http-port", "0", "--log-level", "WARNING"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        _, address, _ = process.stdout.readline().split()
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def test_four_processes_make_one_trace(
    run: Run, clip: Path, toy_repository: Path, tmp_path: Path
) -> None:
    with collecting() as collector:
        traces = ("--traces-endpoint", collector.endpoint)
        with ExitStack() as exits:
            inner = {
                name: exits.enter_context(serving(name, "--models", str(toy_repository), *traces))
                for name in INNER
            }
            where = [f"--{name}={address}" for name, address in inner.items()]
            target = exits.enter_context(serving("orchestrator", *where, *traces))
            asked = ("--target", target, "--predicted", 1, "--out", tmp_path, "--quiet")
            assert run("stream", clip, *asked).code == 0
    [root] = [one for one in collector.named("Stream") if one.kind == "server"]
    spans = [one for one in collector.spans if one.trace_id == root.trace_id]
    assert root.resource["service.name"] == "motioncast-orchestrator"
    for name in INNER:
        answers = [one for one in spans if one.resource["service.name"] == f"motioncast-{name}"]
        runs = [one for one in answers if one.name == f"infer toy_{name}"]
        assert runs
        assert {one.span_id for one in answers} >= {one.parent_id for one in runs}


def test_what_is_no_collector_is_said_before_anything_starts(run: Run) -> None:
    result = run("serve", "--traces-endpoint", "localhost:4317")
    assert result.code == 1
    assert "traces-endpoint: 'localhost:4317' is not the URL of a collector" in result.err
    result = run("serve", "--traces-endpoint", "http://localhost:4317", "--traces-ratio", 1.5)
    assert result.code == 1
    assert "traces-ratio: 1.5 is out of range [0, 1]" in result.err
