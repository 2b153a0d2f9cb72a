"""A transmitted clip: the first picture, the packets after it, and the frames shown.

Rates are given in three ways, in kbit/s over the frames after the first one:

    payload   the coder's output
    headers   with our 4 bytes per packet; for video, with RTP's 12 per datagram
    wire      with UDP and IP (28 bytes) per datagram of at most 1200 bytes

The first picture (ours: the source image; a codec's: its key frame) is not included. It is sent
once, so its share of the rate depends on how long a call lasts: `spread_kbits`.

Shapes: T frames, S pixels, K keypoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from motioncast.codec import HEADER_BYTES
from motioncast.evaluate.canvas import Frames
from motioncast.v1.common_pb2 import CodedKeypoints
from motioncast.v1.motion_transfer_pb2 import KeypointPacket, StreamRequest
from motioncast.wire.keypoints import encode_keypoints

RTP_BYTES: Final = 12
UDP_IP_BYTES: Final = 28  # IPv4
DATAGRAM_BYTES: Final = 1200  # maximum, as in QUIC and WebRTC
GRPC_FRAMING_BYTES: Final = 5 + 9  # a message's prefix, and HTTP/2's header of its DATA frame
TCP_IP_BYTES: Final = 52  # IPv4, with timestamps; each message goes out alone, in its own segment


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of the frames after the first, kbit/s; the first picture, bytes."""

    payload_kbits: float
    headers_kbits: float
    wire_kbits: float
    grpc_kbits: float | None  # over HTTP/2, TCP and IP; None if never sent that way
    first_bytes: int
    first_wire_bytes: int  # as datagrams

    def spread_kbits(self, seconds: float) -> float:
        """Returns the rate on the wire of a call of that length, including its first picture."""
        return self.wire_kbits + 8 * self.first_wire_bytes / seconds / 1000


@dataclass(frozen=True, slots=True)
class Stream:
    """One clip sent in one way."""

    method: str  # a curve
    setting: str  # a point on it
    rates: Rates
    frames: Frames  # (T, S, S, 3), as shown; the first is not measured
    delay_frames: int = 0  # by which every frame is shown later


def video_rates(packets: Sequence[bytes], frames: int, frame_rate: float) -> Rates:
    """Returns the rates of a video's packets, the first of which is its key frame.

    Args:
        packets: The encoder's output, one for each coded frame.
        frames: T of the clip at its own frame rate, 2 or more.
        frame_rate: Frames per second.
    """
    first, later = packets[0], packets[1:]
    payload = sum(map(len, later))
    datagrams = sum(_datagrams(len(one)) for one in later)
    kbits = 8 * frame_rate / (frames - 1) / 1000
    return Rates(
        payload_kbits=payload * kbits,
        headers_kbits=(payload + RTP_BYTES * datagrams) * kbits,
        wire_kbits=(payload + (RTP_BYTES + UDP_IP_BYTES) * datagrams) * kbits,
        grpc_kbits=None,
        first_bytes=len(first),
        first_wire_bytes=len(first) + (RTP_BYTES + UDP_IP_BYTES) * _datagrams(len(first)),
    )


def packet_rates(packets: Sequence[bytes], source: bytes, frames: int, frame_rate: float) -> Rates:
    """Returns the rates of our codec's packets, headers included, and a source's file."""
    messages = [StreamRequest(coded=CodedKeypoints(data=data)) for data in packets]
    payload = sum(map(len, packets)) - HEADER_BYTES * len(packets)
    return _ours(payload, messages, source, frames, frame_rate)


def float_rates(keypoints: npt.NDArray[np.float32], source: bytes, frame_rate: float) -> Rates:
    """Returns the rates of uncompressed keypoints (T, K, 3), 4 bytes per number."""
    messages = [
        StreamRequest(keypoints=KeypointPacket(index=index, keypoints=encode_keypoints(one)))
        for index, one in enumerate(keypoints)
        if index
    ]
    return _ours(4 * keypoints[1:].size, messages, source, len(keypoints), frame_rate)


def _ours(
    payload: int, messages: Sequence[StreamRequest], source: bytes, frames: int, frame_rate: float
) -> Rates:
    kbits = 8 * frame_rate / (frames - 1) / 1000
    headers = payload + HEADER_BYTES * len(messages)
    around = GRPC_FRAMING_BYTES + TCP_IP_BYTES
    return Rates(
        payload_kbits=payload * kbits,
        headers_kbits=headers * kbits,
        wire_kbits=(headers + UDP_IP_BYTES * len(messages)) * kbits,
        grpc_kbits=sum(message.ByteSize() + around for message in messages) * kbits,
        first_bytes=len(source),
        first_wire_bytes=len(source) + (HEADER_BYTES + UDP_IP_BYTES) * _datagrams(len(source)),
    )


def _datagrams(size: int) -> int:
    return max(1, -(-size // DATAGRAM_BYTES))
