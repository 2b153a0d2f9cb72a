"""Videos and images in files: whatever FFmpeg or Pillow reads comes out as RGB arrays.

Square ones of the model's size, or, to be framed, the full picture, upright and with square pixels.
`motioncast.media` does it; here the arguments are checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from motioncast import media
from motioncast.client.errors import InvalidRequestError
from motioncast.media import File, Sound, Video, VideoWriter, open_sound, write_video

P = ParamSpec("P")
T = TypeVar("T")

__all__ = [
    "File",
    "Sound",
    "Video",
    "VideoWriter",
    "open_sound",
    "read_image",
    "read_video",
    "write_video",
]


def _checked(read: Callable[P, T]) -> Callable[P, T]:
    """Returns a reader of `motioncast.media` that refuses what is below 1 as the client does.

    What it returns also raises
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
