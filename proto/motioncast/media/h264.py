"""A live H.264 stream, picture by picture: each one comes out as soon as it goes in.

    encoder = H264Encoder(256, 256, crf=23)          decoder = H264Decoder()
    unit = encoder.encode(picture)           ->      decoder.decode(unit.data)   -> picture

No picture waits for another (no B-frames, no look-ahead, one thread), none refers to anything
before the last key picture, and every key picture has the parameter sets, so decoding can begin at
any of them. 4:2:0 in BT.709, limited range.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace

from motioncast.framing import Picture
from motioncast.media.errors import MediaError

KEY_EVERY_FRAMES: Final = 250
MAX_UNIT_BYTES: Final = 4 * 1024 * 1024  # more than the largest picture takes raw at 4:2:0
_BT709: Final = 1  # ISO/IEC 23091-2


@dataclass(frozen=True, slots=True)
class Unit:
    """One encoded picture."""

    data: bytes  # an access unit, ITU-T H.264 annex B
    key: bool  # whether it can be decoded on its own


class H264Encoder:
    """Encodes the pictures of one video, all of one size, each immediately.

    Args:
        height, width: Size of the pictures in pixels; odd sizes are made even by repeating an edge.
        crf: Constant rate factor, 1 (best) to 51.
        frame_rate: Frames per second.

    Raises:
        MediaError: This FFmpeg has no H.264 encoder.
    """

    def __init__(self, height: int, width: int, crf: int, frame_rate: float = 25.0) -> None:
        try:
            context: Any = av.CodecContext.create("libx264", "w")
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                "H.264 cannot be encoded: this FFmpeg was built without libx264"
            ) from error
        self._shape = height, width, 3
        context.height, context.width = height + height % 2, width + width % 2
        context.pix_fmt = "yuv420p"
        context.framerate = Fraction(frame_rate).limit_denominator(2**16)
        context.time_base = 1 / context.framerate
        context.thread_count = 1
        context.max_b_frames = 0
        context.gop_size = KEY_EVERY_FRAMES
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = ColorRange.MPEG
        context.options = {
            "preset": "veryfast",
            "tune": "zerolatency",
            "crf": str(crf),
            "x264-params": "scenecut=0:sliced-threads=0",
        }
        self._context: VideoCodecContext = context
        self._next = 0

    def encode(self, picture: Picture) -> Unit:
        """Returns a picture (H, W, 3) uint8 RGB, encoded.

        Raises:
            MediaError: The picture has another size.
        """
        if picture.shape != self._shape:
            raise MediaError(f"a picture of shape {picture.shape}, expected {self._shape}")
        even = np.pad(picture, [(0, n % 2) for n in picture.shape[:2]] + [(0, 0)], mode="edge")
        frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base = self._next, self._context.time_base
        frame.pict_type = PictureType.NONE
        self._next += 1
        packets = self._context.encode(frame)
        if len(packets) != 1:
            raise MediaError(f"H.264: {len(packets)} access units for one picture")
        return Unit(bytes(packets[0]), packets[0].is_keyframe)


class H264Decoder:
    """Decodes the access units of one `H264Encoder`, beginning with a key picture.

    Args:
        height, width: Size of its pictures.
    """

    def __init__(self, height: int, width: int) -> None:
        self._shape = height, width, 3
        context: Any = av.CodecContext.create("h264", "r")
        context.thread_count = 1
        context.flags |= Flags.low_delay
        self._context: VideoCodecContext = context

    def decode(self, data: bytes) -> Picture:
        """Returns the picture (H, W, 3) uint8 RGB of an access unit.

        Raises:
            MediaError: It cannot be decoded at this point, or has another size.
        """
        height, width, _ = self._shape
        if len(data) > MAX_UNIT_BYTES:
            raise MediaError(f"an access unit of {len(data)} bytes, the limit is {MAX_UNIT_BYTES}")
        try:
            frames = self._context.decode(av.Packet(data))
        except av.FFmpegError as error:
            raise MediaError("not a readable H.264 access unit") from error
        if len(frames) != 1:
            raise MediaError(f"H.264: {len(frames)} pictures from one access unit")
        (frame,) = frames
        if (frame.height, frame.width) != (height + height % 2, width + width % 2):
            raise MediaError(
                f"a picture of {frame.width} x {frame.height} pixels, expected {width} x {height}"
            )
        pixels = frame.reformat(
            format="rgb24",
            src_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
        ).to_ndarray()
        return np.ascontiguousarray(pixels[:height, :width], np.uint8)
