"""Measures the cost of runs: the server is a separate process, the clients are in this one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import numpy as np
from capacity.model import Run
from chaos.processes import Process, free_row

from motioncast.client import Report, connect_sync
from motioncast.client.types import Pixels
from motioncast.client.video import read_video

CLIP: Final = Path(__file__).parents[2] / "clients/motioncast/cli/assets/grid_sbwu5s.mp4"
_LOOK_SECONDS: Final = 0.1
_WAYS: Final = (("rgb8", "rgb8"), ("jpeg", "jpeg"), ("coded", "jpeg"), ("coded", "h264"))


@contextmanager
def served(model: str, folder: Path) -> Iterator[Process]:
    """Serves a model until the block ends."""
    first = free_row(16)
    options = [
        "--model",
        model,
        "--log-level",
        "ERROR",
        "--max-sessions-per-peer",
        "64",
        "--latency-target",
        "0",
    ]
    process = Process("server", options, folder / "server.log", (first, first + 8), {})
    process.start()
    try:
        process.wait_until_ready(180)
        yield process
    finally:
        process.close()


def clip(size: int) -> list[Pixels]:
    """Returns the frames to send."""
    with read_video(CLIP, size) as video:
        return list(video.frames)


def measure(
    server: Process,
    model: str,
    video: Sequence[Pixels],
    sessions: int,
    frames: int,
    observed: int,
    predicted: int,
) -> Run:
    """Runs a number of sessions at once, as fast as possible."""

    def session(place: int) -> Report:
        with connect_sync(server.target, timeout=60) as service:
            sent = [video[(place + index) % len(video)] for index in range(frames)]
            stream = service.stream(sent, model=model, observed=observed, predicted=predicted)
            assert sum(1 for _ in stream) == frames
            return stream.report

    with highest(server) as resident, ThreadPoolExecutor(sessions) as pool:
        began, ours, theirs = time.monotonic(), time.process_time(), processor_seconds(server.pid)
        reports = list(pool.map(session, range(sessions)))
        seconds = time.monotonic() - began
        ours, theirs = time.process_time() - ours, processor_seconds(server.pid) - theirs
    received = sum(
        one.bytes.config + one.bytes.source + one.bytes.frames + one.bytes.keypoints
        for one in reports
    )
    sent_bytes = sum(one.bytes.results for one in reports)
    return Run(
        sessions,
        frames,
        observed,
        predicted,
        seconds,
        theirs,
        ours,
        resident[0],
        sent_bytes,
        received,
    )


@contextmanager
def highest(server: Process) -> Iterator[list[int]]:
    """Yields a list whose item is, after the block, the peak resident memory in it, in bytes."""
    found, over = [0], Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            found[0] = max(found[0], server.usage.resident)

    thread = Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
        found[0] = max(found[0], server.usage.resident)


def processor_seconds(pid: int) -> float:
    """Returns the CPU time a process has used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kilobits_per_second(
    server: Process, model: str, video: Sequence[Pixels], frame_rate: float
) -> list[dict[str, Any]]:
    """Returns a long session's network traffic for each way of sending and receiving frames."""
    rows = []
    with connect_sync(server.target, timeout=60) as service:
        served_model = next(one for one in service.server_info().models if one.name == model)
        count, keypoints = 50, served_model.keypoints
        still = np.full((count, keypoints, 3), 0.5, np.float32)
        walk = np.random.default_rng(0).normal(0, 0.004, (count, keypoints, 2)).cumsum(axis=0)
        still[..., :2] += walk.astype(np.float32)
        points = list(np.clip(still, -1, 1))
        options: dict[str, Any] = {"model": model}
        for sends, gets in _WAYS:
            if sends == "coded":
                stream = service.stream_keypoints(
                    points,
                    source=video[0],
                    source_keypoints=points[0],
                    **{**options, "keypoint_encoding": "coded", "output": gets},
                )
            else:
                sent = [video[index % len(video)] for index in range(count)]
                stream = service.stream(sent, **{**options, "encoding": sends, "output": gets})
            list(stream)
            counts, bits = stream.report.bytes, 8 * frame_rate / count / 1000
            rows.append(
                {
                    "sends": sends,
                    "gets": gets,
                    "up_kbit_s": (counts.frames + counts.keypoints) * bits,
                    "down_kbit_s": counts.results * bits,
                    "source_bytes": counts.source,
                }
            )
    return rows
