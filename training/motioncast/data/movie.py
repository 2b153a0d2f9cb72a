"""Decoding a movie to its end, and noticing when the end or a part of it is missing.

FFmpeg conceals what it cannot decode and takes a file that was cut off for a shorter one; a data
set would change without a word.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.video.stream import VideoStream

GIF_TRAILER: Final = b";"


def movie_frames(path: Path) -> Iterator[av.VideoFrame]:
    """Yields the frames of the first video stream.

    Raises av.FFmpegError, or ValueError that says what is wrong, when the file is damaged.
    """
    if path.suffix.lower() == ".gif" and not _tail(path).endswith(GIF_TRAILER):
        raise ValueError("the GIF is cut off")
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("no video stream")
        stream = container.streams.video[0]
        packets = frames = 0
        end: float | None = None
        for packet in container.demux(stream):
            packets += packet.size > 0
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise ValueError(f"frame {frames} is damaged")
                yield frame
                frames += 1
                end = _end(frame)
        _check_complete(container, stream, packets, end)


def _check_complete(
    container: InputContainer, stream: VideoStream, packets: int, end: float | None
) -> None:
    """Raises ValueError when the file announces more than it had."""
    # MP4 leaves out announced frames on purpose (edit lists), and fails by itself when cut off.
    if "mp4" not in container.format.name and packets < stream.frames:
        raise ValueError(f"it ends after {packets} of {stream.frames} frames")
    if "matroska" in container.format.name and end is not None:
        announced = _matroska_seconds(container, stream)
        frame = 1 / float(stream.average_rate) if stream.average_rate else 0.0
        if announced is not None and end < announced - 0.75 * frame:
            raise ValueError(f"it ends after {end:.2f} of {announced:.2f} seconds")


def _matroska_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Returns how long the video stream says it is, if it does."""
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        told = timedelta(hours=float(hours), minutes=float(minutes), seconds=float(seconds))
    except ValueError:
        alone = len(container.streams) == 1 and container.duration is not None
        return float(container.duration or 0) / av.time_base if alone else None
    return told.total_seconds()


def _end(frame: av.VideoFrame) -> float | None:
    """Returns the second at which the frame stops being shown, or None without a time."""
    if frame.pts is None or frame.time_base is None:
        return None
    return float((frame.pts + (frame.duration or 0)) * frame.time_base)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-min(64, path.stat().st_size), 2)
        return file.read().rstrip(b"\0")
