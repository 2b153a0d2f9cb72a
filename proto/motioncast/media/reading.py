"""Videos in files: whatever FFmpeg or Pillow reads comes out as RGB arrays, on a steady clock.

packets -> frames of the video's track -> repeated or dropped by their times -> RGB
        -> upright, with square pixels -> centre square, or the whole picture
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from motioncast.framing import MAX_PIXELS, Picture
from motioncast.media import animation, colour
from motioncast.media.clock import LONGEST_HOLD, Clock, Timed, session_rate
from motioncast.media.complete import is_cut_off
from motioncast.media.container import BROADCAST, find_video, longest_hold, open_container
from motioncast.media.errors import MediaError
from motioncast.media.names import File, existing, shown
from motioncast.media.orientation import UPRIGHT, Orientation, of_matrix
from motioncast.media.scaling import bounded_size, centre_square, scaled

STILL_RATE: Final = Fraction(25)  # of a single picture
MAX_FRAME_PIXELS: Final = 2**26  # of a video; 8K has half of them
_UNSEEN: Final = np.zeros((0, 0, 3), np.uint8)
_WITH_OPACITY: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class Video:
    """An open video file, made by `read_video`; leaving its `with` block closes the file.

    Attributes:
        frame_rate: Frames per second that the frames are put on, a steady rate.
        start: When the first frame is shown on the file's own clock, in seconds.
        frames: The frames, (size, size, 3) uint8 RGB, or full pictures (H, W, 3) of one size, to be
            read once. Raises MediaError where the file turns out to be damaged or shorter than it
            says.
    """

    def __init__(
        self, path: Path, size: int | None, limit: int | None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._path = path
        self._size = size
        self._max_pixels = max_pixels
        self._closed = False
        self._unseen = False  # frames are counted, not looked at
        self._full_size: tuple[int, int] | None = None
        self.start = 0.0
        self._source = _source(path, max_pixels)
        try:
            self.frame_rate = float(self._source.rate)
            self._clock = Clock(self._source.rate, self._source.longest_hold)
            frames = islice(self._shown(), limit)
            first = next(frames, None)  # what cannot be read says so here, not within a session
            if first is None:
                raise MediaError(f"{shown(path.name)}: holds no frame")
        except BaseException:
            self._source.close()
            raise
        self.frames: Iterator[Picture] = self._from(first, frames)

    @property
    def repeated(self) -> int:
        """Frames put in so far because the one before was held longer than an interval."""
        return self._clock.repeated

    @property
    def dropped(self) -> int:
        """Frames left out so far because they came too thick."""
        return self._clock.dropped

    def count(self) -> Iterator[int]:
        """Yields 1, 2, 3 ... for the frames that are left, which are decoded and not converted.

        Raises MediaError as `frames` does, which has none left then.
        """
        self._unseen = True
        for number, _ in enumerate(self.frames, 1):
            yield number

    def close(self) -> None:
        """Closes the file; reading on raises MediaError."""
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

    def _sized(self, stored: _Stored) -> Picture:
        if self._size is not None:
            return stored.way.upright(centre_square(stored.picture, self._size, stored.aspect))
        height, width, _ = stored.picture.shape
        if self._full_size is None:  # a browser's recording may change its size; a session not
            self._full_size = bounded_size(width * stored.aspect, height, self._max_pixels)
        return stored.way.upright(scaled(stored.picture, self._full_size))


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
            are repeated or dropped until they do.
        size: Height and width of the frames in pixels; None for full pictures, to be framed.
        limit: Number of frames to read at most; None for all.
        max_pixels: Full pictures that have more are scaled down.

    Raises:
        MediaError: The file is missing, is not a video, or its first frame cannot be read.
    """
    return Video(existing(path), size, limit, max_pixels)


@contextmanager
def media_errors(path: Path, problem: str) -> Iterator[None]:
    """Turns what FFmpeg raises into a sentence that names the file."""
    name = shown(path.name)
    try:
        yield
    except MediaError as error:
        if str(error).startswith(name):
            raise
        raise MediaError(f"{name}: {error}") from error
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise MediaError(f"{name}: {problem}") from error


class _Stored(NamedTuple):
    """A picture as the file has it, and how it is to be shown."""

    picture: Picture
    aspect: float = 1.0  # a pixel's width, in heights
    way: Orientation = UPRIGHT


class _Source(Protocol):
    """Where frames come from."""

    rate: Fraction
    end: float | None  # when the last frame ends, in seconds, where the file says so
    longest_hold: float  # seconds after which the file's clock must have been set anew

    def frames(self) -> Iterator[Timed[object]]:
        """Yields the frames in the order of showing, as they are decoded."""

    def stored(self, frame: object) -> _Stored:
        """Returns the picture of a frame."""

    def close(self) -> None: ...


def _source(path: Path, max_pixels: int) -> _Source:
    with media_errors(path, "not a readable video"):
        return _Pictures(path, max_pixels) if animation.is_picture(path) else _Movie(path)


class _Pictures:
    """Frames that Pillow reads."""

    end: float | None = None
    longest_hold = LONGEST_HOLD

    def __init__(self, path: Path, max_pixels: int) -> None:
        self._path = path
        self._max_pixels = max_pixels
        self._times = animation.times(path)
        rate = session_rate([start for start, _ in self._times], [])
        self.rate = rate or STILL_RATE

    def frames(self) -> Iterator[Timed[object]]:
        for timed in animation.frames(self._path, self._times, self._max_pixels):
            yield Timed(timed.frame, timed.seconds, timed.duration)

    def stored(self, frame: object) -> _Stored:
        assert isinstance(frame, np.ndarray)
        return _Stored(frame)

    def close(self) -> None:
        pass


class _Movie:
    """Frames that FFmpeg decodes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with open_container(path) as container:
            self._track = find_video(path, container)
        self.rate = self._track.rate
        self._container: InputContainer = open_container(path)
        stream = self._container.streams[self._track.index]
        assert isinstance(stream, VideoStream)
        self._decoder = _decoder(stream)
        pixels = (stream.width or 0) * (stream.height or 0)
        if pixels > MAX_FRAME_PIXELS:
            self._container.close()
            size = f"{stream.width} x {stream.height}"
            raise MediaError(f"{size} pixels exceed the limit of {MAX_FRAME_PIXELS}")
        # Damage is to raise an error, not to be painted over.
        self._decoder.options = {"err_detect": "explode", "max_pixels": str(MAX_FRAME_PIXELS)}
        self._stream = stream
        self._aspect = float(stream.sample_aspect_ratio or 1)  # 0 and None: not told
        self.end = self._avi_end()
        self.longest_hold = longest_hold(self._container)

    def frames(self) -> Iterator[Timed[object]]:
        begun = False
        for packet in self._container.demux(self._stream):
            if packet.size == 0 and (packet.pts is not None or packet.dts is not None):
                continue  # nothing coded: the frame before is held
            begun = begun or packet.is_keyframe or packet.size == 0 or not self._cut_anywhere()
            if not begun:
                continue  # a broadcast was joined in the middle of a group
            for frame in self._decoder.decode(packet if packet.size else None):
                if frame.is_corrupt:
                    raise MediaError("damaged")
                # AVI counts frames as they are stored; what is made of that for B-frames is wrong.
                ticks = frame.dts if self._container.format.name == "avi" else frame.pts
                yield Timed(frame, _seconds(frame, ticks), _seconds(frame, frame.duration))
        if is_cut_off(self._path, self._container.format.name):
            raise MediaError("truncated")

    def stored(self, frame: object) -> _Stored:
        assert isinstance(frame, av.VideoFrame)
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        way = UPRIGHT if matrix is None else of_matrix(bytes(matrix))
        return _Stored(colour.rgb(frame), self._aspect, way)

    def close(self) -> None:
        self._container.close()

    def _cut_anywhere(self) -> bool:
        return self._container.format.name in BROADCAST

    def _avi_end(self) -> float | None:
        """Returns when an AVI ends: frames without data may be its last."""
        stream = self._stream
        if self._container.format.name != "avi" or not stream.duration or not stream.time_base:
            return None
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)


def _decoder(stream: VideoStream) -> av.VideoCodecContext:
    """Returns what decodes a track; FFmpeg's own decoders of VP8 and VP9 leave opacity out."""
    own = stream.codec_context
    name = _WITH_OPACITY.get(own.name)
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return own
    other = av.CodecContext.create(name, "r")
    assert isinstance(other, av.VideoCodecContext)
    other.extradata = own.extradata
    return other


def _seconds(frame: av.VideoFrame, ticks: int | None) -> float | None:
    return None if ticks is None or frame.time_base is None else float(ticks * frame.time_base)
