"""Run by .ci/wheels.py with `motioncast[train,export]` installed: all its commands work."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import torch

import motioncast
from motioncast.inference import default_repository
from motioncast.models.shipped import shipped_checkpoint

COMMAND = str(Path(sys.executable).with_name("motioncast"))
PROGRAMS = [
    *(("train", name) for name in ("synthesis", "tracks", "predictor", "personal")),
    *(
        ("evaluate", name)
        for name in (
            "synthesis",
            "keypoints",
            "sources",
            "forecast",
            "m1",
            "m2",
            "bair",
            "horizons",
        )
    ),
    ("evaluate", "stream"),
    ("export",),
    ("models", "operators"),
    ("models", "compare"),
]
home = Path.cwd() / "home"
ENVIRONMENT = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home / "data")}


def run(*arguments: object) -> str:
    words = [COMMAND, *map(str, arguments)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
    return ended.stdout


assert torch.version.cuda is None
home.mkdir()
for program in PROGRAMS:
    assert "usage" in run(*program, "--help").lower(), program

[package] = map(Path, motioncast.__path__)
shipped = default_repository()
assert shipped.is_relative_to(package)
operators = run("models", "operators", "--repository", shipped, "--config", "lite128")
assert "Conv" in operators, operators
before = sorted(package.rglob("*"))

clip = next(
    file for file in importlib.metadata.files("motioncast") or [] if file.match("*interview.mp4")
)
video = clip.locate()
said = run("train", "personal", video, "--out", "ada", "--steps", "1", "--config", "lite128")
assert "motioncast stream VIDEO --model ada" in said, said
run("stream", video, "--model", "ada", "--limit", "4", "--out", "out", "--quiet")
assert Path("out/report.html").is_file()
models = sorted(path.parent.name for path in (home / "data").rglob("config.pbtxt"))
assert {"ada_keypoint", "ada_predictor", "ada_synthesis"} <= set(models), models

options = ("--config", "lite128", "--predictor", shipped_checkpoint("predictor", "lite128"))
run("export", *options, "--repository", "models")
after = [path for path in sorted(package.rglob("*")) if "__pycache__" not in path.parts]
assert after == [path for path in before if "__pycache__" not in path.parts]
print("train: ok")
