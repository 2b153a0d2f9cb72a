"""A folder of videos read as square uint8 clips: one file per clip, any container FFmpeg knows.

Accepted layouts are those of the Monkey-Net line: a movie or GIF per clip, or a PNG strip of frames
side by side. A folder containing only photographs gives clips of one frame each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from motioncast.data.folder import data_files
from motioncast.data.framing import ClipFraming
from motioncast.media import MediaError, read_video, read_whole_image

MOVIE_SUFFIXES = frozenset({".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm", ".webp"})
STRIP_SUFFIXES = frozenset({".png"})
VIDEO_SUFFIXES = MOVIE_SUFFIXES | STRIP_SUFFIXES
PHOTOGRAPH_SUFFIXES = frozenset({".jpeg", ".jpg"})

Clip = npt.NDArray[np.uint8]  # (T, S, S, 3), RGB


class DamagedVideoError(ValueError):
    """Raised when a file cannot be decoded as a video; the message names it."""


@dataclass(frozen=True, slots=True)
class VideoFolder:
    """The videos directly below `root`, or those listed in `names`."""

    root: Path
    names: Path | None = None
    framing: ClipFraming | None = None  # to crop faces; None crops the centre squares

    @property
    def options(self) -> str:
        """The settings, besides the files, that determine what is read."""
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
    file cannot be decoded, ends early, contains no frame, or is too large or small to be framed.
    """
    try:
        if framing is None:
            frames = [_square(picture, size) for picture in _pictures(path)]
        else:
            frames = framing.cut(_pictures(path), size)
    except (MediaError, ValueError) as error:
        raise DamagedVideoError(f"{path}: cannot be decoded as a video ({error})") from error
    return np.stack(frames)


def scaled(clip: Clip, size: int) -> Clip:
    """Returns square frames (T, S, S, 3) as (T, size, size, 3)."""
    if clip.shape[1] == size:
        return clip
    return np.stack([_square(frame, size) for frame in clip])


def _pictures(path: Path) -> Iterator[Clip]:
    """Yields the full pictures (H, W, 3) of a video, a strip or a photograph."""
    if path.suffix.lower() in STRIP_SUFFIXES:
        yield from _strip_frames(path)
        return
    with read_video(path, None) as video:
        yield from video.frames


def _strip_frames(path: Path) -> Iterator[Clip]:
    """Cuts a PNG strip of square frames side by side, left to right."""
    strip = read_whole_image(path)  # (S, T*S, 3)
    side, width = strip.shape[:2]
    if width % side:
        raise ValueError(
            f"the width of the strip, {width}, is not a multiple of its height, {side}"
        )
    for left in range(0, width, side):
        yield strip[:, left : left + side]


def _square(picture: Clip, size: int) -> Clip:
    """Crops the largest centred square and scales it to (size, size, 3)."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(picture[top : top + side, left : left + side])
    frame = av.VideoFrame.from_ndarray(square, format="rgb24")
    scaled = frame.reformat(width=size, height=size, format="rgb24", interpolation="AREA")
    return np.asarray(scaled.to_ndarray(), dtype=np.uint8)
