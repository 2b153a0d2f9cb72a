"""Videos and images in files: whatever FFmpeg or Pillow reads comes out as RGB arrays.

Square ones of the model's size, or, to be framed, the full picture, upright and with square pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Final, TypeAlias
from uuid import uuid4

import av
import av.container
import numpy as np
import PIL.Image
import PIL.ImageOps

from motioncast.client.errors import InvalidRequestError, MediaError
from motioncast.client.types import Pixels
from motioncast.framing import MAX_PIXELS, MAX_SIDE

File: TypeAlias = str | PathLike[str]

_MISSING_SECONDS: Final = 1.0  # a video this much shorter than it says is a truncated one
_LOSSY: Final = ("libx264", {"crf": "16"}, "yuv420p")
_LOSSLESS: Final = ("libx264rgb", {"qp": "0"}, "rgb24")
_UNREADABLE: Final = (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError)


class Video:
    """An open video file, made by `read_video`; leaving its `with` block closes the file.

    Attributes:
        frame_rate: Frames per second; their mean for a video without a steady rate.
        frames: The frames, (size, size, 3) uint8 RGB, or full pictures (H, W, 3) of one size, to be
            read once. Raises MediaError where the file turns out to be damaged or shorter than it
            says.
    """

    def __init__(
        self, path: Path, size: int | None, limit: int | None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._path = path
        self._max_pixels = max_pixels
        self._closed = False
        with _media_errors(path, "not a readable video"):
            self._container = av.open(path)
        try:
            if not self._container.streams.video:
                raise MediaError(f"{path.name}: holds no video")
            self._stream = self._container.streams.video[0]
            # Damage is to raise an error, not to be painted over.
            self._stream.codec_context.options = {"err_detect": "explode"}
            frames = islice(self._decode(size), limit)
            first = next(frames, None)  # what cannot be read says so here, not within a session
            if first is None:
                raise MediaError(f"{path.name}: holds no frame")
            rate = self._stream.average_rate or self._stream.guessed_rate
            if not rate:
                raise MediaError(f"{path.name}: does not tell its frame rate")
        except BaseException:
            self._container.close()
            raise
        self.frame_rate = float(rate)
        self.frames: Iterator[Pixels] = chain([first], frames)

    def close(self) -> None:
        """Closes the file; reading on raises MediaError."""
        self._closed = True
        self._container.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _decode(self, size: int | None) -> Iterator[Pixels]:
        packets, end = 0, 0.0  # of what the file holds
        with _media_errors(self._path, "damaged"):
            for packet in self._container.demux(self._stream):
                packets += packet.size > 0
                if packet.pts is not None and packet.time_base is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                for frame in packet.decode():
                    assert isinstance(frame, av.VideoFrame)
                    if frame.is_corrupt:
                        raise MediaError(f"{self._path.name}: damaged")
                    yield self._full(frame) if size is None else self._square(frame, size)
                    if self._closed:  # FFmpeg would read freed memory
                        raise MediaError(f"{self._path.name}: the file was closed")
        if packets < self._stream.frames or end < self._declared_end() - _MISSING_SECONDS:
            raise MediaError(f"{self._path.name}: truncated")

    def _declared_end(self) -> float:
        """Returns when the video should end, in seconds; 0 when the file does not say."""
        stream, container = self._stream, self._container
        if stream.duration is not None and stream.time_base is not None:
            return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        if container.duration is not None and len(container.streams) == 1:
            return ((container.start_time or 0) + container.duration) / av.time_base
        return 0.0

    def _full(self, frame: av.VideoFrame) -> Pixels:
        image = PIL.Image.fromarray(frame.to_ndarray(format="rgb24"))
        pixel_aspect = float(self._stream.sample_aspect_ratio or 1)
        return _turned(_bounded(image, self._max_pixels, pixel_aspect), frame.rotation)

    def _square(self, frame: av.VideoFrame, size: int) -> Pixels:
        image = PIL.Image.fromarray(frame.to_ndarray(format="rgb24"))
        pixel_aspect = float(self._stream.sample_aspect_ratio or 1)  # 0 and None: not told
        return _turned(_centre_square(image, size, pixel_aspect), frame.rotation)


def read_video(
    path: File,
    size: int | None,
    *,
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Video:
    """Opens a video: its frames are cropped to the centre square and scaled to size x size.

    Args:
        path: A file in any format that FFmpeg reads. Its rotation and pixel shape are respected.
        size: Height and width of the frames in pixels; None for full pictures, to be framed.
        limit: Number of frames to read at most; None for all.
        max_pixels: Full pictures that have more are scaled down.

    Raises:
        MediaError: The file is not there, is no video, or its first frame cannot be read.
        InvalidRequestError: The size, the limit or the number of pixels is below 1.
    """
    for field, number in (("size", size), ("limit", limit), ("max_pixels", max_pixels)):
        if number is not None:
            _at_least_one(field, number)
    return Video(_existing(path), size, limit, max_pixels)


def read_image(path: File, size: int | None, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Returns an image's centre square, scaled to (size, size, 3) uint8 RGB.

    Args:
        path: A file in any format that Pillow reads. Its orientation is respected.
        size: Height and width in pixels; None for the full picture, to be framed.
        max_pixels: A full picture that has more is scaled down.

    Raises:
        MediaError: The file is not there or is no image that Pillow reads.
        InvalidRequestError: The size or the number of pixels is below 1.
    """
    for field, number in (("size", size), ("max_pixels", max_pixels)):
        if number is not None:
            _at_least_one(field, number)
    path = _existing(path)
    try:
        with PIL.Image.open(path) as image:
            upright = PIL.ImageOps.exif_transpose(image).convert("RGB")
            return _bounded(upright, max_pixels) if size is None else _centre_square(upright, size)
    except _UNREADABLE as error:
        raise MediaError(f"{path.name}: not a readable image") from error


class VideoWriter:
    """A video file being written, made by `write_video`."""

    def __init__(
        self, path: Path, container: av.container.OutputContainer, rate: Fraction, lossless: bool
    ) -> None:
        self._path = path
        self._container = container
        codec, quality, pixels = _LOSSLESS if lossless else _LOSSY
        with _media_errors(path, "cannot be written"):
            stream = container.add_stream(codec, rate, options=quality)
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = pixels
        self._stream = stream
        self._shape: tuple[int, ...] | None = None

    def write(self, image: Pixels) -> None:
        """Appends a frame (H, W, 3) uint8 RGB; odd sizes are made even by repeating the edge.

        Raises:
            MediaError: The frame has another size than the first, or the disk is full.
        """
        if self._shape is None:
            self._shape = image.shape
            self._stream.height, self._stream.width = (n + n % 2 for n in image.shape[:2])
        if image.shape != self._shape:
            raise MediaError(
                f"{self._path.name}: a frame of shape {image.shape}, the first was {self._shape}"
            )
        even = np.pad(image, [(0, n % 2) for n in image.shape[:2]] + [(0, 0)], mode="edge")
        with _media_errors(self._path, "cannot be written"):
            frame = av.VideoFrame.from_ndarray(even, format="rgb24")
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Completes the file; MediaError when no frame was written or the disk is full."""
        if self._shape is None:
            raise MediaError(f"{self._path.name}: no frame was written")
        with _media_errors(self._path, "cannot be written"):
            self._container.mux(self._stream.encode(None))
            self._container.close()


@contextmanager
def write_video(path: File, frame_rate: float, *, lossless: bool = False) -> Iterator[VideoWriter]:
    """Opens a video for writing; the file is there only once the block ends without an error.

    Args:
        path: Where to; the suffix chooses the container, for example `.mp4`. An existing file is
            replaced.
        frame_rate: Frames per second.
        lossless: Keep every pixel (H.264 RGB, which few players show) instead of H.264 4:2:0.

    Raises:
        MediaError: The file cannot be written, or no frame was.
    """
    path = Path(path)
    part = path.with_name(f".{path.stem}-{uuid4().hex[:8]}{path.suffix}")
    rate = Fraction(frame_rate).limit_denominator(2**16)  # 29.97... is 30000/1001 again
    streamable = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov", ".m4v") else {}
    try:
        with _media_errors(path, "cannot be written"):
            container = av.open(part, "w", options=streamable)
        with closing(container):
            writer = VideoWriter(path, container, rate, lossless)
            yield writer
            writer.finish()
        with _media_errors(path, "cannot be written"):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _centre_square(image: PIL.Image.Image, size: int, pixel_aspect: float = 1.0) -> Pixels:
    """Returns the largest centred square, scaled; a pixel is `pixel_aspect` times as wide as high.

    Pillow's bicubic filter widens with the reduction, so that every pixel of the square counts.
    """
    side = min(image.width * pixel_aspect, image.height)
    width, height = round(side / pixel_aspect), round(side)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    square = image.crop((left, top, left + width, top + height))
    return np.array(square.resize((size, size), PIL.Image.Resampling.BICUBIC))


def _bounded(image: PIL.Image.Image, max_pixels: int, pixel_aspect: float = 1.0) -> Pixels:
    """Returns the whole picture with square pixels, scaled down where it exceeds the bounds."""
    width, height = image.width * pixel_aspect, float(image.height)
    scale = min(1.0, (max_pixels / (width * height)) ** 0.5, MAX_SIDE / max(width, height))
    size = max(1, int(width * scale + 0.01)), max(1, int(height * scale + 0.01))
    if size == image.size:
        return np.array(image)
    return np.array(image.resize(size, PIL.Image.Resampling.BICUBIC))


def _turned(image: Pixels, degrees: int) -> Pixels:
    """Returns an image turned counter-clockwise, in quarters."""
    return np.ascontiguousarray(np.rot90(image, round(degrees / 90)))


def _existing(path: File) -> Path:
    path = Path(path)
    if not path.exists():
        raise MediaError(f"{path}: no such file")
    if not path.is_file():
        raise MediaError(f"{path}: not a file")
    return path


def _at_least_one(field: str, number: int) -> None:
    if number < 1:
        raise InvalidRequestError.of(field, f"{number} is below 1")


@contextmanager
def _media_errors(path: Path, problem: str) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path.name}: {problem}") from error
