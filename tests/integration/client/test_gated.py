"""A gated session sends only frames the forecast misses, but returns a frame for each input."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.codec_tables import add_tables, turned_tables
from support.toy_models import build_toy_repository, image_with_points

from motioncast.client import InvalidRequestError, Keypoints, Origin, connect
from motioncast.local import LocalServices, LocalSettings
from motioncast.sending import Gate

IMAGE = image_with_points((3, 4), (9, 7))
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)
CODED: Any = {"keypoint_encoding": "coded", "source_keypoints": AT_SOURCE}


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[str]:
    repository = build_toy_repository(tmp_path)
    add_tables(repository, turned_tables(2, 6))
    settings = LocalSettings(repository=repository, drain_grace_seconds=0.5)
    async with LocalServices(settings) as local:
        yield local.target


def keypoints(frames: int, jump: int) -> list[Keypoints]:
    """Returns keypoints that rest, jump by ten pixels of 256, and rest again."""
    moved = AT_SOURCE.copy()
    moved[1, 0] += 20 / 255
    return [AT_SOURCE if index < jump else moved for index in range(frames)]


@pytest.mark.parametrize("options", [{}, CODED, {**CODED, "packet_frames": 3}])
async def test_frames_that_the_forecast_meets_are_not_sent(target: str, options: Any) -> None:
    async with connect(target) as service:
        stream = service.stream_keypoints(keypoints(45, 10), source=IMAGE, gate=1.0, **options)
        frames = [frame async for frame in stream]
    assert [frame.index for frame in frames] == list(range(45))
    observed = [frame.index for frame in frames if frame.origin is Origin.OBSERVED]
    assert observed == [0, 10, 35]  # the first, the jump, and a heartbeat of 25 frames
    assert stream.report.observed_frames == 3
    # The other frames were skipped on purpose, and none was lost.
    assert (stream.report.predicted_frames, stream.report.concealed_frames) == (42, 0)


@pytest.mark.parametrize("options", [{}, CODED])
async def test_what_the_sender_itself_lacks_counts_as_lost(target: str, options: Any) -> None:
    still: list[Keypoints | None] = [*keypoints(12, 20)]
    still[4] = None  # dropped by the camera
    async with connect(target) as service:
        gate = Gate(1.0, heartbeat_frames=8)
        stream = service.stream_keypoints(still, source=IMAGE, gate=gate, **options)
        origins = [frame.origin async for frame in stream]
    letters = "".join(origin.value[0] for origin in origins)
    assert letters == "occcc" + "ppp" + "oppp"  # it is unknown whether frames 1 to 3 were lost


async def test_a_gate_of_ones_own_has_weights_and_a_heartbeat(target: str) -> None:
    gate = Gate(2.0, weights=(1.0, 0.1), heartbeat_frames=20)
    async with connect(target) as service:
        stream = service.stream_keypoints(
            keypoints(45, 10), source=IMAGE, source_keypoints=AT_SOURCE, gate=gate
        )
        frames = [frame async for frame in stream]
    observed = [frame.index for frame in frames if frame.origin is Origin.OBSERVED]
    assert observed == [0, 20, 40]  # the jumping keypoint has weight 0.1: ten pixels count as one


async def test_a_gate_that_cannot_be_is_refused(target: str) -> None:
    async with connect(target) as service:
        with pytest.raises(InvalidRequestError, match="gate: 0 pixels"):
            service.stream_keypoints([AT_SOURCE], source=IMAGE, gate=0.0)
        with pytest.raises(InvalidRequestError, match="gate: only for sessions that send"):
            service.stream([IMAGE], gate=1.0)
