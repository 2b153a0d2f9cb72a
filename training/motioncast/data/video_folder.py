"""A folder of videos read as square uint8 clips: one file per clip, any container FFmpeg knows.

Accepted layouts are those of the Monkey-Net line: a movie or GIF per clip, or a PNG strip of frames
side by side. A folder of photographs alone gives clips of one frame each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from motioncast.data.folder import data_files
from motioncast.data.framing import ClipFraming
from motioncast.data.movie import movie_frames

MOVIE_SUFFIXES = frozenset({".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm"})
STRIP_SUFFIXES = frozenset({".png"})
VIDEO_SUFFIXES = MOVIE_SUFFIXES | STRIP_SUFFIXES
PHOTOGRAPH_SUFFIXES = frozenset({".jpeg", ".jpg"})

Clip = npt.NDArray[np.uint8]  # (T, S, S, 3), RGB


class DamagedVideoError(ValueError):
    """A file that should hold a video cannot be decoded; the message names it."""


@dataclass(frozen=True, slots=True)
class VideoFolder:
    """The videos directly below `root`, or those that the list `names` has."""

    root: Path
    names: Path | None = None
    framing: ClipFraming | None = None  # where faces are cut out; else the centre squares

    @property
    def options(self) -> str:
        """What besides the files decides what is read."""
        return "" if self.framing is None else self.framing.options

    def paths(self) -> list[Path]:
        """Lists the videos by name, or the photographs of a folder without videos.

        Raises FileNotFoundError when the folder has neither.
        """
        found = {path.suffix.lower() for path in self.root.glob("*")}
        photographs = found & PHOTOGRAPH_SUFFIXES and not found & VIDEO_SUFFIXES
        suffixes = PHOTOGRAPH_SUFFIXES if photographs else VIDEO_SUFFIXES
        return data_files(self.root, suffixes, self.names)

    def read(self, path: Path, size: int) -> Iterator[tuple[str, Clip]]:
        """Yields the name and the frames (T, size, size, 3) of the one clip in a file."""
        yield path.name, read_clip(path, size, self.framing)


def read_clip(path: Path, size: int, framing: ClipFraming | None = None) -> Clip:
    """Returns all frames of a video, cropped square and scaled to (T, size, size, 3).

    The crop is the centre square, or with a framing the face's. Raises DamagedVideoError when the
    file cannot be decoded, ends early or holds no frame, or is too large or small to be framed.
    """
    strip = path.suffix.lower() in STRIP_SUFFIXES
    try:
        found = _strip_frames(path) if strip else movie_frames(path)
        if framing is None:
            frames = [_square(frame, size) for frame in found]
        else:
            frames = framing.cut(map(_pixels, found), size)
    except (av.FFmpegError, ValueError) as error:
        raise DamagedVideoError(f"{path}: cannot be decoded as a video ({error})") from error
    if not frames:
        raise DamagedVideoError(f"{path}: holds no video frame")
    return np.stack(frames)


def scaled(clip: Clip, size: int) -> Clip:
    """Returns square frames (T, S, S, 3) as (T, size, size, 3)."""
    if clip.shape[1] == size:
        return clip
    frames = [av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in clip]
    return np.stack([_square(frame, size) for frame in frames])


def _strip_frames(path: Path) -> Iterator[av.VideoFrame]:
    """Cuts a PNG strip of square frames side by side, left to right."""
    for image in movie_frames(path):
        strip = _pixels(image)  # (S, T*S, 3)
        side, width = strip.shape[:2]
        if width % side:
            raise ValueError(f"a strip {width} wide is no whole number of frames {side} wide")
        for left in range(0, width, side):
            frame = np.ascontiguousarray(strip[:, left : left + side])
            yield av.VideoFrame.from_ndarray(frame, format="rgb24")


def _square(frame: av.VideoFrame, size: int) -> Clip:
    """Crops the largest centred square and scales it to (size, size, 3)."""
    if frame.width != frame.height:
        pixels = _pixels(frame)
        side = min(frame.width, frame.height)
        top, left = (frame.height - side) // 2, (frame.width - side) // 2
        cropped = np.ascontiguousarray(pixels[top : top + side, left : left + side])
        frame = av.VideoFrame.from_ndarray(cropped, format="rgb24")
    scaled = frame.reformat(width=size, height=size, format="rgb24", interpolation="AREA")
    return _pixels(scaled)


def _pixels(frame: av.VideoFrame) -> Clip:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
