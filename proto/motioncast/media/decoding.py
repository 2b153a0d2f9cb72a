"""Frames as stored in a file, with their times: decoded, but not yet on a clock, upright or scaled.

Pillow reads stills and animated pictures, FFmpeg everything else.
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
from motioncast.media.complete import is_cut_off, is_cut_off_unread
from motioncast.media.container import BROADCAST, find_video, longest_hold, open_container
from motioncast.media.errors import MediaError
from motioncast.media.failures import media_errors
from motioncast.media.last_picture import RAW, LastGroup
from motioncast.media.orientation import UPRIGHT, Orientation, of_matrix

STILL_RATE: Final = Fraction(25)  # for a single picture
MAX_FRAME_PIXELS: Final = 2**26  # of a video; twice as many as 8K
_NO_TIMESTAMPS: Final = 0x80  # FFmpeg's format flag
_WITHOUT_AN_END: Final = frozenset(
    {"h264", "hevc", "m4v", "mpegvideo", "mjpeg", "jpeg_pipe", "vc1", "h263"}
)
_WITH_OPACITY: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# FFmpeg's H.264 decoder loses the errors of slices that it decodes in parallel.
_ERRORS_ARE_LOST_BETWEEN_THREADS: Final = frozenset({"h264"})


class Stored(NamedTuple):
    """A picture as stored in the file, and how it is to be shown."""

    picture: Picture
    aspect: float = 1.0  # a pixel's width divided by its height
    way: Orientation = UPRIGHT


class Source(Protocol):
    """A source of frames."""

    rate: Fraction
    end: float | None  # when the last frame ends, in seconds, if the file says so
    longest_hold: float  # seconds after which the file's clock must have been reset

    def frames(self) -> Iterator[Timed[object]]:
        """Yields the frames in display order, as they are decoded."""

    def stored(self, frame: object) -> Stored:
        """Returns the picture of a frame."""

    def close(self) -> None: ...


def open_source(path: Path, max_pixels: int) -> Source:
    """Opens a file; raises MediaError if it is neither a video nor a picture."""
    with media_errors(path, "not a readable video"):
        if animation.is_picture(path):
            return _Pictures(path, max_pixels)
        try:
            return _Movie(path)
        except (av.FFmpegError, MediaError) as error:
            if is_cut_off_unread(path):
                raise MediaError("truncated") from error
            raise


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
        self._format = self._container.format.name
        self._clockless = bool(self._container.format.flags & _NO_TIMESTAMPS)
        self._position = 0.0  # seconds, in display order
        self._stopped = False
        stream = self._container.streams[self._track.index]
        assert isinstance(stream, VideoStream)
        self._decoder = _decoder(stream)
        pixels = (stream.width or 0) * (stream.height or 0)
        if pixels > MAX_FRAME_PIXELS:
            self._container.close()
            size = f"{stream.width} x {stream.height}"
            raise MediaError(f"{size} pixels exceed the limit of {MAX_FRAME_PIXELS}")
        # Make damage raise an error instead of being concealed.
        self._decoder.options = {"err_detect": "explode", "max_pixels": str(MAX_FRAME_PIXELS)}
        self._stream = stream
        self._aspect = float(stream.sample_aspect_ratio or 1)  # 0 and None: not stated
        self.end = self._avi_end()
        self.longest_hold = longest_hold(self._container)

    def frames(self) -> Iterator[Timed[object]]:
        begun, group = False, LastGroup() if self._format in RAW else None
        for packet, last in _with_last(self._container.demux(self._stream)):
            if packet.size == 0 and (packet.pts is not None or packet.dts is not None):
                continue  # no coded data: the previous frame is held
            begun = begun or packet.is_keyframe or packet.size == 0 or not self._cut_anywhere()
            if not begun:
                continue  # the broadcast begins in the middle of a group
            if group is not None and packet.size:
                group.add(bytes(packet), key=packet.is_keyframe)
            for frame in self._decoded(packet, last=last):
                if frame.is_corrupt and self._stopped:
                    continue
                if frame.is_corrupt:
                    cut = last and self._format in _WITHOUT_AN_END
                    raise MediaError("truncated" if cut else "damaged")
                yield self._timed(frame)
        if is_cut_off(self._path, self._format) or (
            group is not None and group.is_cut_off(self._decoder.name)
        ):
            raise MediaError("truncated")

    def _decoded(self, packet: av.Packet[VideoStream], *, last: bool) -> list[av.VideoFrame]:
        try:
            return self._decoder.decode(packet if packet.size else None)
        except av.FFmpegError as error:
            if is_cut_off(self._path, self._format) or (last and self._format in _WITHOUT_AN_END):
                raise MediaError("truncated") from error
            if last and self._cut_anywhere():  # the recording was stopped within a picture
                self._stopped = True
                return []
            raise

    def stored(self, frame: object) -> Stored:
        assert isinstance(frame, av.VideoFrame)
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        way = UPRIGHT if matrix is None else of_matrix(bytes(matrix))
        return Stored(colour.rgb(frame), self._aspect, way)

    def close(self) -> None:
        self._container.close()

    def _timed(self, frame: av.VideoFrame) -> Timed[object]:
        duration = self._seconds(frame, frame.duration)
        if self._clockless:  # FFmpeg's invented timestamps have gaps where frames are reordered
            seconds = None if duration is None else self._position
            self._position += duration or 0.0
        else:
            # AVI counts frames as stored; the timestamps derived from that are wrong for B-frames.
            seconds = self._seconds(frame, frame.dts if self._format == "avi" else frame.pts)
        return Timed(frame, seconds, duration)

    def _cut_anywhere(self) -> bool:
        return self._format in BROADCAST

    def _seconds(self, frame: av.VideoFrame, ticks: int | None) -> float | None:
        # Frames that come from flushing the decoder have no unit of time: use the track's.
        unit = frame.time_base or self._stream.time_base
        return None if ticks is None or unit is None else float(ticks * unit)

    def _avi_end(self) -> float | None:
        """Returns when an AVI ends, as it may end with frames without data."""
        stream = self._stream
        if self._format != "avi" or not stream.duration or not stream.time_base:
            return None
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)


def _with_last(
    packets: Iterator[av.Packet[VideoStream]],
) -> Iterator[tuple[av.Packet[VideoStream], bool]]:
    """Yields packets, and for each whether it is the last one with data."""
    before = next(packets, None)
    for packet in packets:
        if before is not None:
            yield before, packet.size == 0 and packet.pts is None and packet.dts is None
        before = packet
    if before is not None:
        yield before, before.size > 0


def _decoder(stream: VideoStream) -> av.VideoCodecContext:
    """Returns the decoder of a track; FFmpeg's own VP8 and VP9 decoders ignore opacity."""
    own = stream.codec_context
    if own.name in _ERRORS_ARE_LOST_BETWEEN_THREADS:
        own.thread_count = 1
    name = _WITH_OPACITY.get(own.name)
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return own
    other = av.CodecContext.create(name, "r")
    assert isinstance(other, av.VideoCodecContext)
    other.extradata = own.extradata
    return other
