"""Frames as a file has them, with their times: decoded, not yet on a clock, upright or scaled.

Pillow reads stills and pictures that move, FFmpeg everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from motioncast.framing import Picture
from motioncast.media import animation, colour
from motioncast.media.clock import LONGEST_HOLD, Timed, session_rate
from motioncast.media.complete import is_cut_off
from motioncast.media.container import BROADCAST, find_video, longest_hold, open_container
from motioncast.media.errors import MediaError
from motioncast.media.failures import media_errors
from motioncast.media.orientation import UPRIGHT, Orientation, of_matrix

STILL_RATE: Final = Fraction(25)  # of a single picture
MAX_FRAME_PIXELS: Final = 2**26  # of a video; 8K has half of them
_WITH_OPACITY: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class Stored(NamedTuple):
    """A picture as the file has it, and how it is to be shown."""

    picture: Picture
    aspect: float = 1.0  # a pixel's width, in heights
    way: Orientation = UPRIGHT


class Source(Protocol):
    """Where frames come from."""

    rate: Fraction
    end: float | None  # when the last frame ends, in seconds, where the file says so
    longest_hold: float  # seconds after which the file's clock must have been set anew

    def frames(self) -> Iterator[Timed[object]]:
        """Yields the frames in the order of showing, as they are decoded."""

    def stored(self, frame: object) -> Stored:
        """Returns the picture of a frame."""

    def close(self) -> None: ...


def open_source(path: Path, max_pixels: int) -> Source:
    """Opens a file; raises MediaError where it is no video, nor a picture."""
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

    def stored(self, frame: object) -> Stored:
        assert isinstance(frame, np.ndarray)
        return Stored(frame)

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
                duration = self._seconds(frame, frame.duration)
                yield Timed(frame, self._seconds(frame, ticks), duration)
        if is_cut_off(self._path, self._container.format.name):
            raise MediaError("truncated")

    def stored(self, frame: object) -> Stored:
        assert isinstance(frame, av.VideoFrame)
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        way = UPRIGHT if matrix is None else of_matrix(bytes(matrix))
        return Stored(colour.rgb(frame), self._aspect, way)

    def close(self) -> None:
        self._container.close()

    def _cut_anywhere(self) -> bool:
        return self._container.format.name in BROADCAST

    def _seconds(self, frame: av.VideoFrame, ticks: int | None) -> float | None:
        # Frames that come when the decoder is emptied bring no unit: theirs is the track's.
        unit = frame.time_base or self._stream.time_base
        return None if ticks is None or unit is None else float(ticks * unit)

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
