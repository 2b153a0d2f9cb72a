"""Codec sizes agree with whole files written by FFmpeg's muxers and read by its demuxers."""

from __future__ import annotations

import io
import os
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from motioncast.cli.rivals import Rival, measure_rivals

FRAMES, SIZE, RATE = 12, 64, 25.0
POLICY = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None  # before any test


@pytest.fixture(scope="module")
def frames() -> list[NDArray[np.uint8]]:
    """A moving smooth pattern."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    waves = [np.sin((x + 2 * t) / 5.0) * np.cos(y / 7.0) for t in range(FRAMES)]
    return [np.repeat((128 + 90 * one)[..., None], 3, 2).astype(np.uint8) for one in waves]


@pytest.fixture(scope="module")
def rivals(frames: list[NDArray[np.uint8]]) -> dict[str, Rival]:
    return {one.codec.split()[0]: one for one in measure_rivals(frames, RATE, 33.0)}


def x264_file(frames: list[NDArray[np.uint8]], factor: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="h264") as container:
        options = {"preset": "veryfast", "tune": "zerolatency", "crf": str(factor)}
        stream: Any = container.add_stream("libx264", 25, options=options)
        stream.height = stream.width = SIZE
        stream.pix_fmt, stream.gop_size = "yuv420p", 1000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def psnr_of(file: bytes, frames: list[NDArray[np.uint8]]) -> float:
    container: Any
    with av.open(io.BytesIO(file), format="h264") as container:
        decoded = [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
    errors = [np.square(a.astype(float) - b).mean() for a, b in zip(decoded, frames, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / error) for error in errors[1:]]))


def test_bytes_and_quality_are_those_of_a_whole_file(
    frames: list[NDArray[np.uint8]], rivals: dict[str, Rival]
) -> None:
    x264 = rivals["x264"]
    file = x264_file(frames, x264.rate_factor)
    assert x264.bytes == pytest.approx(len(file), abs=8)
    assert x264.psnr_db == pytest.approx(psnr_of(file, frames), abs=0.05)
    assert x264.bits_per_second == pytest.approx(8 * x264.bytes * RATE / FRAMES)


def test_the_quality_is_the_nearest(
    frames: list[NDArray[np.uint8]], rivals: dict[str, Rival]
) -> None:
    chosen = abs(rivals["x264"].psnr_db - 33.0)
    for factor in range(10, 52, 3):
        assert chosen <= abs(psnr_of(x264_file(frames, factor), frames) - 33.0) + 0.05


def test_av1_is_there_too(rivals: dict[str, Rival]) -> None:
    assert set(rivals) == {"x264", "AV1"}
    assert abs(rivals["AV1"].psnr_db - 33.0) < 2.0


def test_pictures_too_small_for_a_codec_leave_it_out(frames: list[NDArray[np.uint8]]) -> None:
    small = [np.ascontiguousarray(frame[:16, :16]) for frame in frames]
    assert "x264" in {one.codec.split()[0] for one in measure_rivals(small, RATE, 33.0)}


@pytest.mark.skipif(POLICY is None, reason="no scheduling policies here")
def test_the_caller_keeps_its_scheduling_policy(rivals: dict[str, Rival]) -> None:
    assert "AV1" in rivals
    assert os.sched_getscheduler(0) == POLICY
