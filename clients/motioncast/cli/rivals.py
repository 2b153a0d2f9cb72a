"""Measures what video codecs need for the same frames at the nearest quality, after a run.

    frames -> x264 and AV1, in real time: no frame waits for a later one -> bytes, PSNR

The quality is found by bisection: the constant rate factor whose mean PSNR is nearest. Bytes are
those of the whole stream, including headers and first picture, without a container.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import av.codec
import numpy as np

from motioncast.cli.cast import Images
from motioncast.quality.pixels import image_psnr


@dataclass(frozen=True, slots=True)
class Rival:
    """A video codec at the quality that is nearest to the result's."""

    codec: str  # with its settings
    rate_factor: int  # the higher, the smaller the stream and the worse the quality
    bytes: int
    bits_per_second: float
    psnr_db: float  # mean over frames, excluding the first as in the report


@dataclass(frozen=True, slots=True)
class _Encoder:
    codec: str  # as named in reports
    name: str  # FFmpeg's
    decoder: str
    best: int  # rate factor
    worst: int
    options: Mapping[str, str]


_X264: Final = _Encoder(
    "x264 (veryfast, zerolatency)",
    "libx264",
    "h264",
    10,
    51,
    {"preset": "veryfast", "tune": "zerolatency"},
)
_AV1: Final = (  # the first that PyAV includes is used
    _Encoder(
        "AV1 (SVT, preset 10, low delay)",
        "libsvtav1",
        "libdav1d",
        10,
        63,
        {"preset": "10", "svtav1-params": "pred-struct=1"},
    ),
    _Encoder(
        "AV1 (libaom, realtime, cpu-used 8)",
        "libaom-av1",
        "libdav1d",
        10,
        63,
        {"usage": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    ),
)
_NO_KEY_FRAMES: Final = 1 << 20  # except the first


def measure_rivals(
    frames: Images,
    frame_rate: float,
    psnr_db: float,
    on_try: Callable[[], object] = lambda: None,
) -> tuple[Rival, ...]:
    """Returns x264 and AV1 at the PSNR nearest to the given one, if PyAV includes them.

    Args:
        frames: (H, W, 3) uint8 each, with even sides; at least two.
        frame_rate: Frames per second.
        psnr_db: The result's PSNR, excluding the first frame.
        on_try: Called after every encoding.
    """
    os.environ.setdefault("SVT_LOG", "1")  # errors only
    there = av.codec.codecs_available
    wanted = (_X264, next((one for one in _AV1 if one.name in there), None))
    rivals = []
    for encoder in wanted:
        if encoder is not None and {encoder.name, encoder.decoder} <= there:
            with contextlib.suppress(av.FFmpegError):  # e.g. pictures too small for the codec
                rivals.append(_nearest(encoder, frames, frame_rate, psnr_db, on_try))
    return tuple(rivals)


def _nearest(
    encoder: _Encoder,
    frames: Images,
    frame_rate: float,
    psnr_db: float,
    on_try: Callable[[], object],
) -> Rival:
    tried: dict[int, tuple[float, int]] = {}

    def quality(factor: int) -> float:
        if factor not in tried:
            with ThreadPoolExecutor(1) as own_thread:  # see _encoded
                packets = own_thread.submit(_encoded, encoder, frames, frame_rate, factor).result()
            decoded = _psnr(encoder, packets, frames)
            tried[factor] = decoded, sum(len(packet) for packet in packets)
            on_try()
        return tried[factor][0]

    low, high = encoder.best, encoder.worst
    while high - low > 1:
        middle = (low + high) // 2
        if quality(middle) > psnr_db:
            low = middle
        else:
            high = middle
    factor = min((low, high), key=lambda one: abs(quality(one) - psnr_db))
    reached, size = tried[factor]
    bits_per_second = 8 * size * frame_rate / len(frames)
    return Rival(encoder.codec, factor, size, bits_per_second, reached)


def _encoded(encoder: _Encoder, frames: Images, frame_rate: float, factor: int) -> list[bytes]:
    """Returns the packets, which include the headers.

    Call it in a separate thread: as root, SVT-AV1 permanently gives the thread that opens it
    real-time priority, which all threads started by it later would inherit and starve the rest.
    """
    context: Any = av.CodecContext.create(encoder.name, "w")
    context.height, context.width, _ = frames[0].shape
    context.pix_fmt = "yuv420p"
    rate = Fraction(frame_rate).limit_denominator(2**16)
    context.framerate, context.time_base = rate, 1 / rate
    context.gop_size = _NO_KEY_FRAMES
    context.options = {**encoder.options, "crf": str(factor)}
    packets = []
    for index in range(len(frames)):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frames[index]), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = index, context.time_base
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets + [bytes(packet) for packet in context.encode(None)]


def _psnr(encoder: _Encoder, packets: list[bytes], frames: Images) -> float:
    """Returns the mean PSNR of the decoded frames, excluding the first."""
    context: Any = av.CodecContext.create(encoder.decoder, "r")
    values: list[float] = []
    for packet in (*(av.Packet(data) for data in packets), None):
        for decoded in context.decode(packet):
            values.append(image_psnr(decoded.to_ndarray(format="rgb24"), frames[len(values)]))
    assert len(values) == len(frames)
    return float(np.mean(values[1:]))
