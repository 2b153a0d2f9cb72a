"""Videos in files: whatever FFmpeg or Pillow can read becomes RGB arrays, on a steady clock.

packets -> frames of the video's track -> repeated or dropped by their times -> RGB
        -> upright, with square pixels -> centre square, or the whole picture
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from motioncast.framing import MAX_PIXELS, Picture
from motioncast.media.clock import Clock, Timed
from motioncast.media.decoding import Stored, open_source
from motioncast.media.errors import MediaError
from motioncast.media.failures import media_errors
from motioncast.media.names import File, existing, shown
from motioncast.media.scaling import bounded_size, centre_square, scaled

_UNSEEN: Final = np.zeros((0, 0, 3), np.uint8)


class Video:
    """An open video file, created by `read_video`; leaving its `with` block closes the file.

    Attributes:
        frame_rate: The steady rate at which frames are returned, in frames per second.
        start: When the first frame is shown on the file's own clock, in seconds.
        frames: The frames, (size, size, 3) uint8 RGB, or full pictures (H, W, 3) of one size, to be
            read once. Raises MediaError if the file turns out to be damaged or shorter than it
            says.
    """

    def __init__(
        self, path: Path, size: int | None, limit: int | None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._path = path
        self._size = size
        self._max_pixels = max_pixels
        self._closed = False
        self._unseen = False  # whether frames are only counted, not converted
        self._full_size: tuple[int, int] | None = None
        self.start = 0.0
        self._source = open_source(path, max_pixels)
        try:
            self.frame_rate = float(self._source.rate)
            self._clock = Clock(self._source.rate, self._source.longest_hold)
            frames = islice(self._shown(), limit)
            first = next(frames, None)  # reports unreadable files here, not during a session
            if first is None:
                raise MediaError(f"{shown(path.name)}: contains no frame")
        except BaseException:
            self._source.close()
            raise
        self.frames: Iterator[Picture] = self._from(first, frames)

    @property
    def repeated(self) -> int:
        """Frames inserted so far because the previous one was held for more than an interval."""
        return self._clock.repeated

    @property
    def dropped(self) -> int:
        """Frames dropped so far because they came too close together."""
        return self._clock.dropped

    def count(self) -> Iterator[int]:
        """Yields 1, 2, 3 ... for the remaining frames, which are decoded but not converted.

        Raises MediaError as `frames` does, which is exhausted afterwards.
        """
        self._unseen = True
        for number, _ in enumerate(self.frames, 1):
            yield number

    def close(self) -> None:
        """Closes the file; further reading raises MediaError."""
        self._closed = True
        self._source.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _from(self, first: Picture, frames: Iterator[Picture]) -> Iterator[Picture]:
        yield first
        while True:
            if self._closed:  # FFmpeg would read freed memory
                raise MediaError(f"{shown(self._path.name)}: the file was closed")
            frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def _shown(self) -> Iterator[Picture]:
        latest, picture = None, None
        with media_errors(self._path, "damaged"):
            for frame in self._clock.spread(self._timed(), self._source.end):
                if self._unseen:
                    yield _UNSEEN
                    continue
                if frame is latest and picture is not None:
                    yield picture.copy()
                    continue
                latest, picture = frame, self._sized(self._source.stored(frame))
                yield picture

    def _timed(self) -> Iterator[Timed[object]]:
        first = True
        for timed in self._source.frames():
            if first and timed.seconds is not None:
                self.start = timed.seconds
            first = False
            yield timed

    def _sized(self, stored: Stored) -> Picture:
        if self._size is not None:
            return stored.way.upright(centre_square(stored.picture, self._size, stored.aspect))
        height, width, _ = stored.picture.shape
        if self._full_size is None:  # a browser's recording may change size; a session must not
            self._full_size = bounded_size(width * stored.aspect, height, self._max_pixels)
        return stored.way.upright(scaled(stored.picture, self._full_size))


def read_video(
    path: File,
    size: int | None,
    *,
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Video:
    """Opens a video; its frames are cropped to the centre square and scaled to size x size.

    Args:
        path: A file in any format that FFmpeg reads, an animated WebP or PNG, or a single picture.
            Its rotation, pixel shape and colours are respected; frames at an irregular rate are
            repeated or dropped to make it steady.
        size: Height and width of the frames in pixels; None for full pictures, to be framed.
        limit: Maximum number of frames to read; None for all.
        max_pixels: Full pictures with more pixels are scaled down.

    Raises:
        MediaError: The file is missing, is not a video, or its first frame cannot be read.
    """
    return Video(existing(path), size, limit, max_pixels)
