"""The full pictures of a video, decoded on demand: storing them would fill the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from motioncast.client import MediaError, Pixels, ServerInfo
from motioncast.client.video import Video, read_video
from motioncast.framing import MAX_PIXELS

_ENVELOPE_BYTES: Final = 4096  # generous allowance for the rest of a message


def most_pixels(info: ServerInfo) -> int:
    """Returns the largest number of pixels in a picture that is sent to a server as raw RGB."""
    return max(1, min(MAX_PIXELS, (info.max_message_bytes - _ENVELOPE_BYTES) // 3))


class Pictures:
    """The pictures of a video, (H, W, 3), to be read in order; going back rereads from the start.

    Args:
        path: The video.
        skip: Frames to skip at its beginning.
        length: Number of frames after those.
        max_pixels: Pictures with more pixels are scaled down.
    """

    def __init__(self, path: Path, skip: int, length: int, max_pixels: int) -> None:
        self._path = path
        self._skip = skip
        self._length = length
        self._max_pixels = max_pixels
        self._video: Video | None = None
        self._frames: Iterator[Pixels] = iter(())
        self._position = -1  # index of the latest picture
        self._latest: Pixels | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Pixels:
        """Returns a picture; raises MediaError if the file has changed since it was counted."""
        if not 0 <= index < self._length:
            raise IndexError(index)
        if self._video is None or index < self._position:
            self._open()
        while self._latest is None or self._position < index:
            self._latest = next(self._frames, None)
            if self._latest is None:
                raise MediaError(f"{self._path.name}: was truncated while it was being read")
            self._position += 1
        return self._latest

    def close(self) -> None:
        """Closes the file."""
        if self._video is not None:
            self._video.close()
            self._video = None

    def _open(self) -> None:
        self.close()
        end = self._skip + self._length
        self._video = read_video(self._path, None, limit=end, max_pixels=self._max_pixels)
        self._frames = self._video.frames
        self._position, self._latest = -1 - self._skip, None
