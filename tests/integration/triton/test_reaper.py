"""The reaper ends the server it watches and cleans up, whatever the server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.triton_server import is_alive

from motioncast.triton import reaper

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it ends what runs on Linux")

# Prints the pids of itself and of a child, then waits; the child waits for ever.
_SERVER = """
import os, signal, subprocess, sys, time
{on_sigterm}
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print(os.getpid(), child.pid, file=sys.stderr, flush=True)
time.sleep({seconds})
"""
_OBEYS = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))"
_REFUSES = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def _keep(folder: Path, drain_seconds: float, program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(
                sys.executable,
                "-I",
                reaper.__file__,
                str(drain_seconds),
                str(folder),
                _name(folder),
            ),
            *(sys.executable, "-c", program),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _name(folder: Path) -> str:
    return f"motioncast_reaper_{folder.parent.name}_"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A server's folder with a file in it, and a shared memory region of the server."""
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "file").touch()
    (reaper.SHARED_MEMORY / f"{_name(folder)}region").touch()
    return folder


@pytest.mark.parametrize(
    ("on_sigterm", "drain_seconds", "code"), [(_OBEYS, 60, 3), (_REFUSES, 0.1, -9)]
)
def test_a_server_is_told_to_end_and_past_the_limit_killed(
    folder: Path, on_sigterm: str, drain_seconds: float, code: int
) -> None:
    program = _SERVER.format(on_sigterm=on_sigterm, seconds=3600)
    with _keep(folder, drain_seconds, program) as keeping:
        assert keeping.stdout is not None
        assert keeping.stderr is not None
        started = keeping.stdout.readline()
        server, child = map(int, keeping.stderr.readline().split())
        assert started == f"started {server}\n"
        told, _ = keeping.communicate()  # closes its standard input
    assert told == f"ended {code}\n"
    assert not is_alive(server)
    assert not is_alive(child)
    assert not folder.exists()
    assert list(reaper.SHARED_MEMORY.glob(f"{_name(folder)}*")) == []


def test_a_server_that_ends_by_itself_leaves_nothing_either(folder: Path) -> None:
    with _keep(folder, 60, _SERVER.format(on_sigterm="", seconds=0)) as keeping:
        assert keeping.stderr is not None
        assert keeping.stdout is not None
        _, child = map(int, keeping.stderr.readline().split())
        assert keeping.stdout.read().endswith("ended 0\n")
    assert not is_alive(child)
    assert not folder.exists()
    assert list(reaper.SHARED_MEMORY.glob(f"{_name(folder)}*")) == []


def test_a_server_that_cannot_be_started_leaves_nothing(folder: Path) -> None:
    command = [sys.executable, "-I", reaper.__file__, "1", str(folder), _name(folder), "/nowhere"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert not folder.exists()
    assert list(reaper.SHARED_MEMORY.glob(f"{_name(folder)}*")) == []
