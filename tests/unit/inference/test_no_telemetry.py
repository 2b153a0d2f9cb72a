"""Running models sends no telemetry: ONNX Runtime keeps no machine identifier."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BY_THE_CLIENT = """
import sys
from motioncast.client.onnx import open_model
open_model(sys.argv[1], 1, "a model")
"""
BY_THE_SERVICES = """
import asyncio, sys
from pathlib import Path
from motioncast.inference import OnnxRuntimeEngine

async def run():
    async with OnnxRuntimeEngine(Path(sys.argv[1]).parents[2]):
        pass

asyncio.run(run())
"""
BY_THE_EXPORT = """
import sys
import motioncast.export
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1])
"""


@pytest.mark.parametrize("program", [BY_THE_CLIENT, BY_THE_SERVICES, BY_THE_EXPORT])
def test_nothing_is_left_in_the_home_of_who_runs_a_model(
    toy_repository: Path, tmp_path: Path, program: str
) -> None:
    if "motioncast.export" in program:
        pytest.importorskip("motioncast.export")
    model = toy_repository / "toy_keypoint" / "1" / "model.onnx"
    variables = {"HOME", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    environment = {k: v for k, v in os.environ.items() if k not in variables}
    done = subprocess.run(
        [sys.executable, "-c", program, model],
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "telemetry" not in done.stderr
    assert [path.name for path in tmp_path.rglob("*") if "onnxruntime" in path.name] == []
