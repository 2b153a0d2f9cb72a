"""Small movies in various formats, written frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

TICKS = 90_000  # per second


def shade(value: int, height: int = 16, width: int = 16) -> Frame:
    """Returns a uniform grey picture (H, W, 3), identifiable by its value."""
    return np.full((height, width, 3), value, np.uint8)


def shades(count: int) -> list[Frame]:
    return [shade(10 * index) for index in range(count)]


def values(frames: Iterable[Frame]) -> list[int]:
    """Returns the indices of frames made by `shades`, rounded to survive lossy coding."""
    return [round(float(frame.mean()) / 10) for frame in frames]


def video_stream(
    container: OutputContainer, codec: str, size: tuple[int, int], pixels: str, **options: str
) -> VideoStream:
    stream = container.add_stream(codec, rate=25, options=options)
    assert isinstance(stream, VideoStream)
    stream.height, stream.width, stream.pix_fmt = *size, pixels
    return stream


def write_movie(
    path: Path,
    frames: Sequence[Frame],
    seconds: Sequence[float] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv444p",
) -> Path:
    """Writes frames, each shown from its given time in seconds; by default 25 per second."""
    times = [index / 25 for index in range(len(frames))] if seconds is None else seconds
    lossless = {"qp": "0", "bf": "0"} if codec == "libx264" else {}
    ticks = 25 if path.suffix == ".avi" else TICKS  # AVI fills the ticks between frames
    with av.open(str(path), "w") as container:
        stream = video_stream(container, codec, frames[0].shape[:2], pixels, **lossless)
        stream.codec_context.time_base = Fraction(1, ticks)
        for image, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(time * ticks), Fraction(1, ticks)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
