"""A datagram session while the kernel drops and delays packets: `tc netem`.

It runs in its own network namespace, so nothing else on the machine is affected.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
NETEM = "loss 10% delay 10ms 2ms"
SETUP = f"ip link set lo up && tc qdisc add dev lo root netem {NETEM}"
MISSING = [name for name in ("unshare", "ip", "tc") if shutil.which(name) is None]


def in_a_namespace(command: str, *, timeout: float) -> subprocess.CompletedProcess[str]:
    """Runs a shell command as root of a new user and network namespace."""
    return subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=False,
    )


def test_a_session_survives_what_netem_loses(tmp_path: Path) -> None:
    if MISSING:
        pytest.skip(f"this machine has no {', '.join(MISSING)}")
    allowed = in_a_namespace(SETUP, timeout=20)
    if allowed.returncode:
        pytest.skip(f"no netem in a network namespace here: {allowed.stderr.strip()}")
    run = in_a_namespace(
        f"{SETUP} && exec {sys.executable} -m support.datagram_session {tmp_path}", timeout=120
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["frames"] == list(range(300))
    assert found["error"] < 0.01
    assert found["carrier"] == "datagrams"
    assert found["received"] < found["sent"]
    assert found["origins"]["concealed"] > 0
