"""Run by .ci/wheels.py with only `motioncast` installed: the client on its own."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import motioncast.client
from motioncast.client import ConnectError, connect_sync, fit
from motioncast.client.video import read_marks, write_video

NOT_THE_CLIENTS: tuple[str, ...] = (
    "serving",
    "inference",
    "local",
    "model_server",
    "triton",
    "keypoint",
    "predictor",
)
NOT_THE_CLIENTS += ("synthesis", "orchestrator", "models", "data", "train", "evaluate", "export")
# QUIC is an extra: asking for datagrams without it is a clear error.
NEEDS = {"datagram_coding": "aioquic", "datagram_link": "aioquic"}
HEAVY = {"torch", "onnxruntime", "onnx", "scipy", "matplotlib", "typer", "rich", "tritonclient"}

for name in NOT_THE_CLIENTS:
    assert importlib.util.find_spec(f"motioncast.{name}") is None, name
installed = {one.metadata["Name"].lower() for one in importlib.metadata.distributions()}
assert not installed & HEAVY, installed & HEAVY
for module in pkgutil.iter_modules(motioncast.client.__path__):
    missing = None
    try:
        importlib.import_module(f"motioncast.client.{module.name}")
    except ModuleNotFoundError as error:
        missing = error.name
    assert missing == NEEDS.get(module.name), (module.name, missing)
files = importlib.metadata.files("motioncast") or []
assert not [file for file in files if file.suffix in (".onnx", ".pt")]
assert sum(file.size or 0 for file in files) < 2 * 2**20

picture = fit(np.zeros((8, 8, 3), np.uint8), channels="bgr")
assert picture.shape == (8, 8, 3)
reason = None
try:
    with connect_sync("127.0.0.1:9", timeout=0.5):
        pass
except ConnectError as error:
    reason = error.reason
assert reason == "refused", reason

with tempfile.TemporaryDirectory() as folder:  # videos are marked even without the C2PA library
    video = Path(folder) / "result.mp4"
    with write_video(video, 25) as written:
        written.write(picture)
    marks = read_marks(video)
assert marks.tag == marks.xmp == "trainedAlgorithmicMedia", marks

command = Path(sys.executable).with_name("motioncast")
ended = subprocess.run([command, "demo"], capture_output=True, text=True, check=False)
assert ended.returncode == 1
assert "this needs typer: pip install 'motioncast[cli]'" in ended.stderr, ended.stderr
print("client: ok")
