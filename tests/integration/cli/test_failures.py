"""Every failure gives a one-sentence error and an exit code, and leaves no partial output."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from support.command_line import Run


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--observed", "0"], "observed: 0 is below 1"),
        (["--observed", "257"], "observed: 257 exceeds the limit of 256"),
        (["--predicted", "300"], "predicted: 300 exceeds the limit of 256"),
        (["--limit", "0"], "limit: 0 is below 1"),
        (["--seed", "-1"], "seed: -1 is below 0"),
        (["--relative"], "relative_motion: requires a separate source image"),
        (["--model", "other"], "model: 'other' is not served (expected one of toy)"),
        (["--models", "nowhere"], "repository: nowhere is not a folder"),
        (["--source", "nothing.png"], "nothing.png: no such file"),
        (["--source", __file__], "test_failures.py: not a readable image"),
        (["--timeout", "0.000001"], "not finished within 1e-06 s"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    run: Run, clip: Path, tmp_path: Path, options: list[str], sentence: str
) -> None:
    out = tmp_path / "out"
    result = run("stream", clip, "--out", out, "--quiet", *options)
    assert result.code == 1
    assert result.err.startswith("motioncast: ")
    assert result.err.count("\n") == 1
    assert sentence in result.err
    assert not out.exists()


def test_a_video_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    result = run("stream", tmp_path / "none.mp4", "--out", tmp_path / "out", "--quiet")
    assert (result.code, result.err) == (1, f"motioncast: {tmp_path}/none.mp4: no such file\n")


def test_a_truncated_video_leaves_no_output(run: Run, clip: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(clip.read_bytes()[:-200])
    result = run("stream", damaged, "--out", tmp_path / "out", "--quiet")
    assert result.code == 1
    assert result.err.startswith("motioncast: damaged.mp4: ")
    assert result.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.mp4"]


def test_a_failure_keeps_the_results_of_the_last_time(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("stream", clip, "--out", tmp_path, "--quiet").code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run("stream", clip, "--out", tmp_path, "--observed", 0, "--quiet").code == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_target_where_nobody_listens_is_named(run: Run, clip: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        target = f"127.0.0.1:{taken.getsockname()[1]}"
    options = ("--target", target, "--timeout", 0.5, "--out", tmp_path / "out", "--quiet")
    result = run("stream", clip, *options)
    assert result.code == 1
    assert f"no server answers at {target}" in result.err


def test_a_target_that_is_another_service_is_named(
    run: Run, served: dict[str, str], clip: Path, tmp_path: Path
) -> None:
    target = served["keypoint"]
    result = run("stream", clip, "--target", target, "--out", tmp_path / "out", "--quiet")
    assert result.code == 1
    assert "is it the orchestrator's address?" in result.err


@pytest.mark.parametrize(
    "arguments", [[], ["unknown"], ["stream"], ["stream", "x.mp4"], ["serve", "unknown"]]
)
def test_wrong_usage_has_its_own_exit_code(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).code == 2


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stream_that_is_stopped_leaves_nothing(
    clip: Path, tmp_path: Path, stop: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts the call and never answers
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "motioncast.cli.main", "stream", str(clip), "--quiet"]
        command += ["--target", target, "--out", str(out)]
        # When tests run in the background SIGINT is ignored, and children inherit that.
        heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, preexec_fn=heed
        ) as process:
            connection, _ = silent.accept()
            with connection:
                assert [path.name[:9] for path in out.iterdir()] == [".partial-"]
                process.send_signal(stop)
                _, err = process.communicate()
    assert process.returncode == code
    assert err == ""
    assert not out.exists()


@pytest.mark.parametrize(
    ("absent", "arguments", "sentence"),
    [
        ("typer", ["--help"], "this needs typer: pip install 'motioncast[cli]'"),
        ("jinja2", ["demo", "--out", "out"], "this needs jinja2: pip install 'motioncast[cli]'"),
        ("prometheus_client", ["serve"], "pip install 'motioncast[serve]'"),
        ("torch", ["train", "synthesis", "--help"], "pip install 'motioncast[train]'"),
    ],
)
def test_a_missing_extra_is_named(
    tmp_path: Path, absent: str, arguments: list[str], sentence: str
) -> None:
    program = (
        f"import sys; sys.modules[{absent!r}] = None; sys.argv = ['motioncast', *{arguments!r}];"
        "from motioncast.cli.main import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("motioncast: ")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
