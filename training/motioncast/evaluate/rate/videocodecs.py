"""Video codecs in real time, at a fixed quality: no lookahead, a single key frame.

    frames 0, D, 2D, ... -> reduced? -> packets -> decoded, enlarged, each shown D times

Shapes: T frames, S pixels.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, Final

import av
import av.codec
import numpy as np

from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.rate.stream import Stream, video_rates

LEAST_PIXELS: Final = 64  # minimum side that SVT-AV1 accepts


@dataclass(frozen=True, slots=True)
class VideoCodec:
    """An encoder of FFmpeg and its settings."""

    name: str  # in tables
    encoder: str
    decoder: str
    options: Mapping[str, str]
    factors: tuple[int, ...]  # constant rate factors: the highest gives the lowest possible rate
    divisors: tuple[int, ...] = (1, 4)  # of the frame rate
    reduction: int = 1  # of the pictures' sides


_SVT: Final = {"preset": "10", "svtav1-params": "pred-struct=1:keyint=-1:lp=1"}
CODECS: Final = (
    VideoCodec(
        "x264",
        "libx264",
        "h264",
        {"preset": "veryfast", "tune": "zerolatency"},
        (51, 44, 37, 30),
    ),
    VideoCodec(
        "x265",
        "libx265",
        "hevc",
        {
            "preset": "veryfast",
            "tune": "zerolatency",
            "x265-params": "log-level=none:keyint=-1:info=0:pools=1:frame-threads=1",
        },
        (51, 44, 37, 30),
    ),
    VideoCodec(
        "VP9",
        "libvpx-vp9",
        "vp9",
        {"deadline": "realtime", "cpu-used": "7", "lag-in-frames": "0", "b": "0"},
        (63, 55, 46, 36),
    ),
    VideoCodec(
        "AV1",
        "libsvtav1",
        "libdav1d",
        _SVT,
        (63, 55, 46, 36),
        (1, 2, 4),
    ),
    VideoCodec(
        "AV1, half size",
        "libsvtav1",
        "libdav1d",
        _SVT,
        (63, 55, 46, 36),
        reduction=2,
    ),
    VideoCodec(
        "AV1 (libaom)",
        "libaom-av1",
        "libdav1d",
        {"usage": "realtime", "cpu-used": "8", "lag-in-frames": "0", "b": "0"},
        (63, 55, 46, 36),
    ),
)
_NO_KEY_FRAMES: Final = 1 << 20  # except the first


def codecs_here() -> tuple[VideoCodec, ...]:
    """Returns the codecs that PyAV supports on this machine."""
    there = av.codec.codecs_available
    return tuple(one for one in CODECS if {one.encoder, one.decoder} <= there)


def video_streams(
    clip: Frames, frame_rate: float, codecs: Sequence[VideoCodec]
) -> Iterator[Stream]:
    """Yields a clip (T, S, S, 3), S even, from every codec at its frame rates and factors.

    Raises av.FFmpegError for pictures that a codec does not accept.
    """
    for codec in codecs:
        side = clip.shape[1] // codec.reduction
        if codec.reduction > 1 and side < LEAST_PIXELS:
            continue
        for divisor, factor in product(codec.divisors, codec.factors):
            sent = clip[::divisor]
            packets = encode(codec, sent, frame_rate / divisor, factor)
            decoded = decode(codec, packets, clip.shape[1])
            if not len(packets) == len(decoded) == len(sent):
                raise ValueError(f"{codec.name}: decoded {len(decoded)} of {len(sent)} frames")
            yield Stream(
                method=f"{codec.name}{RATE_NAMES[divisor]}",
                setting=f"crf {factor}",
                rates=video_rates(packets, len(clip), frame_rate),
                frames=decoded[np.arange(len(clip)) // divisor],
            )


RATE_NAMES: Final = {1: "", 2: ", every 2nd frame", 4: ", every 4th frame"}


def encode(codec: VideoCodec, frames: Frames, frame_rate: float, factor: int) -> list[bytes]:
    """Returns a packet for each of T frames (T, S, S, 3), headers in the first.

    Runs in its own thread: as root, SVT-AV1 permanently gives the thread that opens it real-time
    priority, and threads started by it later would inherit that and starve the rest.
    """
    os.environ.setdefault("SVT_LOG", "1")  # errors only
    with ThreadPoolExecutor(1) as own_thread:
        return own_thread.submit(_encode, codec, frames, frame_rate, factor).result()


def _encode(codec: VideoCodec, frames: Frames, frame_rate: float, factor: int) -> list[bytes]:
    context: Any = av.CodecContext.create(codec.encoder, "w")
    context.height, context.width = (side // codec.reduction for side in frames.shape[1:3])
    context.pix_fmt = "yuv420p"
    rate = Fraction(frame_rate).limit_denominator(2**16)
    context.framerate, context.time_base = rate, 1 / rate
    context.gop_size, context.thread_count = _NO_KEY_FRAMES, 1
    context.options = {**codec.options, "crf": str(factor)}
    packets: list[bytes] = []
    for index, image in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = frame.reformat(context.width, context.height, "yuv420p")
        frame.pts, frame.time_base = index, context.time_base
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets + [bytes(packet) for packet in context.encode(None)]


def decode(codec: VideoCodec, packets: Sequence[bytes], side: int) -> Frames:
    """Returns the frames (T, S, S, 3) of packets, S being the side at which they are shown."""
    context: Any = av.CodecContext.create(codec.decoder, "r")
    found = []
    for packet in (*(av.Packet(data) for data in packets), None):
        found += [_shown(frame, side) for frame in context.decode(packet)]
    return np.stack(found)


def _shown(frame: Any, side: int) -> Frames:
    if frame.width != side:
        frame = frame.reformat(side, side, interpolation="BICUBIC")
    shown: Frames = frame.to_ndarray(format="rgb24")
    return shown
