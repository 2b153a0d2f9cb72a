"""Videos and images in files: whatever FFmpeg or Pillow reads comes out as RGB arrays.

Square ones of the model's size, or, to be framed, the full picture, upright and with square pixels.
`motioncast.media` does it; here the arguments are checked.
"""

from __future__ import annotations

from motioncast import media
from motioncast.client.errors import InvalidRequestError
from motioncast.client.types import Pixels
from motioncast.framing import MAX_PIXELS
from motioncast.media import File, Sound, Video, VideoWriter, open_sound, write_video

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


def read_video(
    path: File,
    size: int | None,
    *,
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Video:
    """Opens a video: its frames are cropped to the centre square and scaled to size x size.

    Args:
        path: A file in any format that FFmpeg reads, an animated WebP or PNG, or a single picture.
            Its rotation, pixel shape and colours are respected; frames that come at no steady rate
            are repeated or dropped until they do (`Video.repeated`, `Video.dropped`).
        size: Height and width of the frames in pixels; None for full pictures, to be framed.
        limit: Number of frames to read at most; None for all.
        max_pixels: Full pictures that have more are scaled down.

    Raises:
        MediaError: The file is not there, is no video, or its first frame cannot be read.
        InvalidRequestError: The size, the limit or the number of pixels is below 1.
    """
    _at_least_one(size=size, limit=limit, max_pixels=max_pixels)
    return media.read_video(path, size, limit=limit, max_pixels=max_pixels)


def read_image(path: File, size: int | None, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Returns an image's centre square, scaled to (size, size, 3) uint8 RGB.

    Args:
        path: A file in any format that Pillow reads, HEIC or AVIF. Its orientation is respected,
            grey of any depth is scaled to what it means, transparency is shown on white.
        size: Height and width in pixels; None for the full picture, to be framed.
        max_pixels: A full picture that has more is scaled down.

    Raises:
        MediaError: The file is not there or is no image that can be read.
        InvalidRequestError: The size or the number of pixels is below 1.
    """
    _at_least_one(size=size, max_pixels=max_pixels)
    return media.read_image(path, size, max_pixels=max_pixels)


def _at_least_one(**numbers: int | None) -> None:
    for field, number in numbers.items():
        if number is not None and number < 1:
            raise InvalidRequestError.of(field, f"{number} is below 1")
