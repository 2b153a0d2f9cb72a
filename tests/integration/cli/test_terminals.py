"""Output on all kinds of terminals: narrow ones, and ones with limited character sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    unset = {"COLUMNS", "PYTHONIOENCODING", "PYTHONUTF8", "TYPER_USE_RICH", "LC_ALL"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, "-m", "motioncast.cli.main", *arguments],
        env={**kept, **variables},
        capture_output=True,
        encoding=variables.get("PYTHONIOENCODING", "utf-8"),
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_letters_that_a_terminal_does_not_know_cost_nothing(tmp_path: Path, encoding: str) -> None:
    shown = run("stream", "--help", PYTHONIOENCODING=encoding, COLUMNS="80")
    assert (shown.returncode, shown.stderr) == (0, "")
    refused = run(
        "stream", "nö.mp4", "--out", str(tmp_path), PYTHONIOENCODING=encoding, PYTHONUTF8="1"
    )
    assert refused.returncode == 1
    assert "no such file" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_every_option_can_be_read_however_narrow_the_terminal(columns: str) -> None:
    shown = run("stream", "--help", COLUMNS=columns)
    for option in ("--out", "--packet-frames", "--marks-certificate", "--full-picture"):
        assert option in shown.stdout
    assert "MOTIONCAST_MARKS_CERTIFICATE" in shown.stdout or columns == "40"
    assert "…" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= max(int(columns), 50)


def test_a_flag_has_no_kind_and_an_option_has_one() -> None:
    lines = run("stream", "--help", COLUMNS="200").stdout.splitlines()
    (relative,) = (line for line in lines if "--relative" in line)
    (source,) = (line for line in lines if " --source " in line)
    (observed,) = (line for line in lines if "--observed" in line)
    assert "<" not in relative
    assert "FILE" in source
    assert "int" in observed.lower()


def test_ctrl_c_while_a_command_is_still_being_loaded_ends_it_quietly() -> None:
    """Importing typer raises KeyboardInterrupt, as the signal would."""
    program = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
sys.argv = ["motioncast", "--help"]
from motioncast.cli.main import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
