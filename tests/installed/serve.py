"""Run by .ci/wheels.py with `motioncast[cli,serve]` installed: the product without PyTorch."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("motioncast"))
INSTALLED = {one.metadata["Name"].lower() for one in importlib.metadata.distributions()}


def motioncast(*arguments: str, code: int = 0) -> str:
    ended = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


assert not {"torch", "onnx", "scikit-learn"} & INSTALLED
version = importlib.metadata.version("motioncast")
assert motioncast("--version").split() == ["motioncast", version]
for name in ("demo", "stream", "serve", "info", "bench", "evaluate"):
    motioncast(name, "--help")

motioncast("demo", "--out", "out")
report = json.loads(Path("out/report.json").read_text())
assert report["frames"]["total"] == 117
quality = report["quality"]["all"]
assert quality["psnr_db"] > quality["copied_source_psnr_db"] + 1

clip = next(
    file for file in importlib.metadata.files("motioncast") or [] if file.match("*interview.mp4")
)
ports = ("--port", "0", "--http-port", "0")
with subprocess.Popen([COMMAND, "serve", *ports], stdout=subprocess.PIPE, text=True) as server:
    assert server.stdout is not None
    try:
        target = ""
        while not target:
            line = server.stdout.readline()
            assert line, "the server has ended"
            found = re.search(r"orchestrator\D*((?:\d+\.){3}\d+:\d+)", line)
            target = found[1] if found else ""
        assert "face256" in motioncast("info", "--target", target)
        motioncast(
            "stream",
            str(clip.locate()),
            "--target",
            target,
            "--limit",
            "6",
            "--out",
            "thin",
            "--quiet",
        )
    finally:
        server.terminate()
assert json.loads(Path("thin/report.json").read_text())["frames"]["observed"] == 6

said = motioncast("train", "personal", "--help", code=1)
assert "pip install 'motioncast[train]'" in said, said
print("serve: ok")
