"""Pictures as videos: animated WebP and PNG frame by frame, and a photograph as a single frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from motioncast.framing import Picture
from motioncast.media import heif, stills
from motioncast.media.clock import Timed
from motioncast.media.errors import MediaError
from motioncast.media.names import shown

_SUFFIXES_OF_VIDEOS: Final = frozenset({".mjpeg", ".mjpg"})  # consecutive JPEGs
_HEADS: Final = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\0",
    b"MM\0*",
    b"II+\0",  # files of more than 4 GiB
    b"MM\0+",
    b"8BPS",
    b"BM",
    b"\0\0\1\0",  # an icon
    b"\0\0\0\x0cjP  ",
)
_LEAST_MS: Final = 10  # browsers show frames with a shorter duration for 100 ms
_SHORT_MS: Final = 100


def is_picture(path: Path) -> bool:
    """Returns whether a file is a picture that `stills` reads, and not a video for FFmpeg."""
    with path.open("rb") as file:
        if heif.is_heif(file):
            return True
        head = file.read(16)
    if path.suffix.lower() in _SUFFIXES_OF_VIDEOS:
        return False
    return head.startswith(_HEADS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def times(path: Path) -> list[tuple[float, float]]:
    """Returns when each frame is shown and for how long, in seconds; one frame has no length."""
    with stills.still_errors(path), path.open("rb") as file:
        if heif.is_heif(file):
            return [(0.0, 0.0)]
        image = stills.opened(file)
        count = getattr(image, "n_frames", 1) if getattr(image, "is_animated", False) else 1
        if count == 1 or image.format not in ("WEBP", "PNG"):
            return [(0.0, 0.0)]
        found, start = [], 0.0
        for index in range(count):
            image.seek(index)
            image.load()  # WebP only reveals a frame's time when decoding it
            shown_ms = float(image.info.get("duration") or 0)
            seconds = (shown_ms if shown_ms >= _LEAST_MS else _SHORT_MS) / 1000
            found.append((start, seconds))
            start += seconds
        return found


def frames(
    path: Path, times: list[tuple[float, float]], max_pixels: int
) -> Iterator[Timed[Picture]]:
    """Yields the frames of an animation, or a photograph, at the given times.

    Raises:
        MediaError: A frame cannot be read.
    """
    if len(times) == 1:
        yield Timed(stills.read_image(path, None, max_pixels=max_pixels), 0.0)
        return
    with path.open("rb") as file:
        with stills.still_errors(path):
            image = stills.opened(file)
        if image.width * image.height > stills.LARGE:
            raise MediaError(
                f"{shown(path.name)}: {image.width} x {image.height} pixels are too many to animate"
            )
        for index, (start, seconds) in enumerate(times):
            with stills.still_errors(path):
                image.seek(index)
                image.load()
                picture = stills.rgb(image)
            yield Timed(picture, start, seconds)
