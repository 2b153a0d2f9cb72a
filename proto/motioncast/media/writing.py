"""Videos written to files, atomically, with the sound of another file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from motioncast.framing import Picture
from motioncast.media.errors import MediaError
from motioncast.media.failures import media_errors
from motioncast.media.marking import mark_file, tag
from motioncast.media.names import File, for_ffmpeg, shown
from motioncast.media.sound import Sound
from motioncast.media.unfinished import unfinished_file
from motioncast.provenance import Mark

_LOSSY: Final = ("libx264", {"crf": "16"}, "yuv420p")
_LOSSLESS: Final = ("libx264rgb", {"qp": "0"}, "rgb24")
_BT709: Final = 1  # primaries, transfer and matrix, ISO/IEC 23091-2
_BLOCK: Final = 1024  # samples in an AAC block


class VideoWriter:
    """A video file being written, created by `write_video`."""

    def __init__(
        self,
        path: Path,
        container: OutputContainer,
        rate: Fraction,
        lossless: bool,
        sound: Sound | None,
        mark: Mark | None = None,
    ) -> None:
        self._path = path
        self._container = container
        self._rate = rate
        self._lossless = lossless
        if mark is not None:
            tag(container, mark)
        codec, quality, pixels = _LOSSLESS if lossless else _LOSSY
        with media_errors(path, "cannot be written"):
            stream = container.add_stream(codec, rate, options=quality)
        assert isinstance(stream, VideoStream)
        stream.pix_fmt = pixels
        if not lossless:  # stated explicitly, so that every player shows the same colours
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = ColorRange.MPEG
        self._stream = stream
        self._shape: tuple[int, ...] | None = None
        self._frames = 0
        self._sound = None if sound is None else _SoundTrack(container, sound)

    def write(self, image: Picture) -> None:
        """Appends a frame (H, W, 3) uint8 RGB; odd sizes are made even by repeating the edge.

        Raises:
            MediaError: The frame's size differs from the first one's, or the disk is full.
        """
        if self._shape is None:
            self._shape = image.shape
            self._stream.height, self._stream.width = (n + n % 2 for n in image.shape[:2])
        if image.shape != self._shape:
            raise MediaError(
                f"{shown(self._path.name)}: a frame of shape {image.shape},"
                f" the first was {self._shape}"
            )
        even = np.pad(image, [(0, n % 2) for n in image.shape[:2]] + [(0, 0)], mode="edge")
        with media_errors(self._path, "cannot be written"):
            self._container.mux(self._stream.encode(self._frame(even)))
            self._frames += 1
            if self._sound is not None:
                self._sound.write_until(self._frames / self._rate)

    def finish(self) -> None:
        """Completes the file; MediaError when no frame was written or the disk is full."""
        if self._shape is None:
            raise MediaError(f"{shown(self._path.name)}: no frame was written")
        with media_errors(self._path, "cannot be written"):
            self._container.mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.finish(self._frames / self._rate)
            self._container.close()

    def _frame(self, image: Picture) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        if self._lossless:
            return frame
        return frame.reformat(
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )


@contextmanager
def write_video(
    path: File,
    frame_rate: float,
    *,
    lossless: bool = False,
    sound: Sound | None = None,
    mark: Mark | None = None,
) -> Iterator[VideoWriter]:
    """Opens a video for writing; the file appears only once the block ends without an error.

    Args:
        path: Output file; the suffix selects the container, for example `.mp4`. An existing file
            is replaced.
        frame_rate: Frames per second.
        lossless: Keep every pixel (H.264 RGB, which few players show) instead of H.264 4:2:0 in
            BT.709.
        sound: The soundtrack, from the first frame on (AAC), as returned by `open_sound`; it ends
            with the frames. None for a silent video.
        mark: The statement of how the video was made (`marking`); None if a camera made it.

    Raises:
        MediaError: The file cannot be written or signed, or no frame was written.
    """
    path = Path(path)
    rate = Fraction(frame_rate).limit_denominator(2**16)  # 29.97... is 30000/1001 again
    streamable = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov", ".m4v") else {}
    with ExitStack() as stack:
        with media_errors(path, "cannot be written"):
            aside = unfinished_file(path.parent, f".{path.stem}-", path.suffix)
            part = stack.enter_context(aside)
            container = av.open(for_ffmpeg(part), "w", options=streamable)
        stack.callback(_closed, container)
        writer = VideoWriter(path, container, rate, lossless, sound, mark)
        yield writer
        writer.finish()
        with media_errors(path, "cannot be written"):
            if mark is None:
                part.replace(path)
            else:
                mark_file(part, path, mark)


def _closed(container: OutputContainer) -> None:
    """Closes an unfinished file; its error, a full disk for example, was already reported."""
    with suppress(av.FFmpegError):
        container.close()


class _SoundTrack:
    """The sound of a video that is being written."""

    def __init__(self, container: OutputContainer, sound: Sound) -> None:
        self._container = container
        self._sound = sound
        stream: Any = container.add_stream("aac", rate=sound.rate, layout=sound.layout)
        assert isinstance(stream, AudioStream)
        self._stream = stream
        self._position = 0

    def write_until(self, seconds: Fraction) -> None:
        """Writes whole blocks, so that sound and frames are interleaved in the file."""
        while self._position + _BLOCK <= int(seconds * self._sound.rate):
            self._write(_BLOCK)

    def finish(self, seconds: Fraction) -> None:
        """Writes the rest up to a time, and completes the track."""
        self.write_until(seconds)
        left = int(seconds * self._sound.rate) - self._position
        if left > 0:
            self._write(left)
        self._container.mux(self._stream.encode(None))

    def _write(self, count: int) -> None:
        samples = np.ascontiguousarray(self._sound.read(count))
        frame = av.AudioFrame.from_ndarray(samples, "fltp", self._sound.layout)
        frame.sample_rate = self._sound.rate
        frame.time_base = Fraction(1, self._sound.rate)
        frame.pts = self._position
        self._position += count
        self._container.mux(self._stream.encode(frame))
