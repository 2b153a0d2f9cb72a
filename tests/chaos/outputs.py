"""Checks that an interrupted command leaves a complete result or none.

`motioncast stream` is killed, terminated, disconnected, or limited to files of a few bytes.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import av
from chaos.faults import FindingError
from chaos.house import House
from support.command_line import clip_frames

from motioncast.client.video import write_video

_FRAMES, _RATE = 60, 10


def clip(folder: Path) -> Path:
    """Writes a video of six seconds for the toy models."""
    path, frames = folder / "clip.mp4", clip_frames()
    with write_video(path, _RATE, lossless=True) as video:
        for index in range(_FRAMES):
            video.write(frames[index % len(frames)])
    return path


def output(house: House, chance: random.Random) -> tuple[str, str]:
    """Interrupts a running command; raises FindingError if it leaves an incomplete result."""
    name = chance.choice(sorted(house.targets))
    how = chance.choice(("killed", "told to end", "cut off", "may write little"))
    out = house.folder / f"out-{chance.randrange(10**9)}"
    limit = chance.randrange(0, 40_000) if how == "may write little" else None
    command = [sys.executable, "-m", "motioncast.cli.main", "stream", str(clip(house.folder))]
    command += ["--target", house.targets[name], "--out", str(out), "--real-time", "--quiet"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(_limit, limit) if limit is not None else None,
    )
    wait = chance.uniform(3, 20)
    with suppress(subprocess.TimeoutExpired):
        process.wait(wait)
    if how == "killed":
        process.kill()
    elif how == "told to end":
        process.terminate()
    elif how == "cut off":
        house.wires[name].cut()
    error = process.communicate(timeout=90)[1]
    if "Traceback" in error:
        raise FindingError(f"motioncast stream, {how}: {error[-1500:]}")
    judge(out, process.returncode, how)
    what = f"motioncast stream {how} after {wait:.0f} s: code {process.returncode}"
    return what + (", a whole result" if (out / "report.json").exists() else ", no result"), name


def judge(out: Path, code: int, how: str) -> None:
    """Raises FindingError for a partial result, which only a killed run may leave, hidden."""
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    hidden = {name for name in names if name.startswith(".partial-")}
    if hidden and code != -signal.SIGKILL:
        raise FindingError(f"motioncast stream, {how}, code {code}, left {sorted(hidden)}")
    whole = {"report.json", "report.html", "result.mp4", "comparison.mp4"}
    if not names - hidden:
        if code == 0:
            raise FindingError(f"motioncast stream, {how}, ended well and wrote nothing")
        return
    if not whole <= names:
        raise FindingError(f"motioncast stream, {how}, code {code}, wrote {sorted(names)} alone")
    report = json.loads((out / "report.json").read_text("utf-8"))
    with av.open(str(out / "result.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    if frames != report["frames"]["total"]:
        raise FindingError(
            f"result.mp4 has {frames} frames, the report {report['frames']['total']}"
        )


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
