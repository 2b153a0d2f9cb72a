"""Videos and images in files: whatever FFmpeg or Pillow can read becomes RGB arrays.

They are square and of the model's size, or, to be framed, the full picture, upright and with square
pixels. `motioncast.media` does the work; this module checks the arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from motioncast import media
from motioncast.client.errors import InvalidRequestError
from motioncast.media import File, Marks, Sound, Video, VideoWriter, open_sound, read_marks
from motioncast.provenance import Mark, Signer, SourceType

P = ParamSpec("P")
T = TypeVar("T")

__all__ = [
    "File",
    "Mark",
    "Marks",
    "Signer",
    "Sound",
    "SourceType",
    "Video",
    "VideoWriter",
    "open_sound",
    "read_image",
    "read_marks",
    "read_video",
    "write_video",
]

_SYNTHETIC: Final = Mark()


def write_video(
    path: File,
    frame_rate: float,
    *,
    lossless: bool = False,
    sound: Sound | None = None,
    mark: Mark | None = _SYNTHETIC,
) -> AbstractContextManager[VideoWriter]:
    """Opens a video for writing; the file appears only once the block ends without an error.

    Args:
        path: Output file; the suffix selects the container. An existing file is replaced.
        frame_rate: Frames per second.
        lossless: Keep every pixel (H.264 RGB, which few players show).
        sound: The soundtrack, as returned by `open_sound`. None for a silent video.
        mark: Machine-readable label that the video is synthetic (docs/security.md); by default,
            that it was made entirely by a model. None for frames from a camera.

    Raises:
        MediaError: The file cannot be written or signed, or no frame was written.
    """
    return media.write_video(path, frame_rate, lossless=lossless, sound=sound, mark=mark)


def _checked(read: Callable[P, T]) -> Callable[P, T]:
    """Wraps a reader of `motioncast.media` to reject numbers below 1 with the client's error.

    The wrapped reader also raises
        InvalidRequestError: The size, the limit or the number of pixels is below 1.
    """
    signature = inspect.signature(read)

    @wraps(read)
    def checked(*arguments: P.args, **options: P.kwargs) -> T:
        given = signature.bind(*arguments, **options).arguments
        for field in ("size", "limit", "max_pixels"):
            number = given.get(field)
            if number is not None and number < 1:
                raise InvalidRequestError.of(field, f"{number} is below 1")
        return read(*arguments, **options)

    return checked


read_video = _checked(media.read_video)
read_image = _checked(media.read_image)
