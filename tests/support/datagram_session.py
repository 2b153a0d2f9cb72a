"""Runs a datagram session in a separate process: `python -m support.datagram_session FOLDER`.

Serves toy models from the folder, streams keypoints at a fixed rate and prints the results as JSON.
Tests run it in a network namespace where the kernel drops packets.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from support.codec_tables import add_tables, turned_tables
from support.toy_models import build_toy_repository, image_with_points

from motioncast.client import Keypoints, connect
from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import DatagramSettings, OrchestratorSettings

FRAMES = 300
SECONDS = 0.02  # between frames
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)


def moving(frames: int = FRAMES) -> list[Keypoints]:
    """Returns keypoints (K, 3) per frame, oscillating in x."""
    found = []
    for index in range(frames):
        keypoints = AT_SOURCE.copy()
        keypoints[:, 0] += 0.1 * np.sin(index / 7)
        found.append(keypoints)
    return found


async def live(keypoints: list[Keypoints], seconds: float = 0.01) -> AsyncIterator[Keypoints]:
    """Yields keypoints at the rate of a live camera."""
    for one in keypoints:
        yield one
        await asyncio.sleep(seconds)


async def main(folder: Path) -> dict[str, object]:
    """Runs one session and returns its results."""
    repository = build_toy_repository(folder)
    add_tables(repository, turned_tables(2, 6))
    orchestrator = OrchestratorSettings(datagrams=DatagramSettings())
    keypoints = moving()
    settings = LocalSettings(repository=repository, orchestrator=orchestrator)
    async with LocalServices(settings) as local, connect(local.target) as service:
        stream = service.stream_keypoints(
            live(keypoints, SECONDS),
            source=image_with_points((3, 4), (9, 7)),
            source_keypoints=AT_SOURCE,
            keypoint_encoding="coded",
            datagrams=True,
            frame_rate=1 / SECONDS,
        )
        frames = [frame async for frame in stream]
    traffic, report = stream.datagrams, stream.report.datagrams
    assert traffic is not None
    assert report is not None
    observed = [frame for frame in frames if frame.origin.value == "observed"]
    return {
        "frames": [frame.index for frame in frames],
        "origins": Counter(frame.origin.value for frame in frames),
        "error": max(
            float(np.abs(frame.keypoints - keypoints[frame.index]).max()) for frame in observed
        ),
        "carrier": traffic.carrier,
        "sent": traffic.packets,
        "received": report.packets,
        "late": report.late_frames,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
