"""What a client gets back: frozen values with numpy arrays, no protobuf."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from motioncast.framing import Crop, FramingMode
from motioncast.timeline.origin import Origin as Origin  # part of what a client gets back

Pixels: TypeAlias = NDArray[np.uint8]  # (H, W, 3), RGB
Keypoints: TypeAlias = NDArray[np.float32]  # (K, 3): x, y in [-1, 1], intensity in [0, 1]
Encoding: TypeAlias = Literal["rgb8", "jpeg", "png", "webp", "avif"]
OutputEncoding: TypeAlias = Literal["rgb8", "jpeg", "png", "h264"]
KeypointEncoding: TypeAlias = Literal["floats", "coded"]
Framing: TypeAlias = Literal["auto", "fixed", "off"] | FramingMode


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A source image as an element of a video: sent between two frames, itself none of them.

    It is used from the next frame on, with the sources before it or in the place of the one of its
    index.
    """

    image: Pixels  # (H, W, 3)
    index: int  # 0 to 3
    keypoints: Keypoints | None = None  # (K, 3); None lets the server detect them


@dataclass(frozen=True, slots=True, eq=False)
class FramedKeypoints:
    """Keypoints of a frame that was framed on this side: `motioncast.client.device` makes them."""

    keypoints: Keypoints  # (K, 3)
    crop: Crop  # what of the picture they are of


class Mode(StrEnum):
    """What the source image is in relation to the driving video."""

    RECONSTRUCTION = "reconstruction"  # its first frame
    TRANSFER = "transfer"  # another image, animated by the video


@dataclass(frozen=True, slots=True)
class Model:
    """One model configuration that a server serves."""

    name: str
    height: int  # pixels
    width: int  # pixels
    keypoints: int  # K
    framing: FramingMode = FramingMode.OFF  # how pictures should be framed for it
    source_weights: tuple[float, ...] = ()  # of the K keypoints, for choosing; empty: all the same
    codec_tables: str = ""  # SHA-256 of what its keypoints are coded with; "" where it has none
    anchored_keypoints: int = 0  # the first ones, which are the same points of everybody's face


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server serves, and its limits."""

    version: str
    models: tuple[Model, ...]  # the default first
    max_group_frames: int  # largest M and largest N
    max_message_bytes: int
    max_sessions: int
    max_sources: int = 1  # source images of a session


@dataclass(frozen=True, slots=True)
class StageTimings:
    """How long the stages took for the group of a frame, in milliseconds, as the server saw it."""

    keypoint_ms: float  # the call to the keypoint service; 0 when the client sent keypoints
    predictor_ms: float  # the call to the predictor service; 0 when nothing called for it
    synthesis_ms: float  # the call to the synthesis service
    total_ms: float  # from the group's last message until its frames were ready
    keypoint_inference_ms: float  # of keypoint_ms, in the model itself
    predictor_inference_ms: float
    synthesis_inference_ms: float
    ensemble_ms: float  # the call that takes the place of the three, where the server runs it
    ensemble_inference_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of the result. Its arrays are read-only: copy them to draw on them."""

    index: int  # on the timeline: 0, 1, 2 ... without gaps
    origin: Origin
    image: Pixels  # (H, W, 3)
    keypoints: Keypoints  # (K, 3), before relative motion is applied; K = 0 for pictures only
    timings: StageTimings  # all 0 for pictures only
    group_frames: int  # frames processed together with this one, itself included
    half_width90: Keypoints | None = None  # (K, 3), of a forecast's 90 % interval, if one is stated
    crop: Crop | None = None  # what it shows of the full picture; None if it was not framed
    faces: int = 0  # seen in the latest frame that the server looked for faces in
    source_index: int = 0  # of the source image that it was made from
    interpolated: bool = False  # its keypoints lie between those sent around it: no forecast
    synthetic: bool = True  # a model made it; say so wherever it is kept or shown


@dataclass(frozen=True, slots=True)
class ByteCounts:
    """Bytes of serialised messages, as the server counted them."""

    config: int  # received: configurations
    source: int  # received: source images, all of them
    frames: int  # received: driving frames
    keypoints: int  # received: keypoint packets
    results: int  # sent: result frames
    keypoint_payload: int = 0  # of keypoints: coded packets, or 12 for each keypoint
    keypoint_messages: int = 0  # that keypoints counts


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Latency of one stage per group, in milliseconds; all 0 when the stage never ran."""

    stage: str  # keypoint, predictor, synthesis, ensemble, total, or framing (for each picture)
    count: int  # groups that the stage ran for
    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float


@dataclass(frozen=True, slots=True)
class DatagramTraffic:
    """How the packets of a session travelled, as this end counted them."""

    carrier: Literal["grpc", "datagrams"]  # of the last packet that was not sent again
    packets: int  # of keypoints in datagrams
    payload_bytes: int  # of those packets
    message_bytes: int  # of them with our own headers
    grpc_packets: int  # of keypoints over gRPC, those sent again included
    udp_sent: int  # datagrams of UDP, handshake and QUIC's own acknowledgements included
    udp_sent_bytes: int  # of them on the wire, with the headers of UDP and IP
    udp_received: int
    udp_received_bytes: int


@dataclass(frozen=True, slots=True)
class DatagramCounts:
    """What came and went at the server's door for datagrams, as the server counted it."""

    packets: int  # of keypoints that came
    late_frames: int  # that came after they had been forecast
    received: int  # datagrams of UDP
    received_bytes: int  # of them on the wire, with the headers of UDP and IP
    sent: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What happened in a session."""

    observed_frames: int
    predicted_frames: int
    concealed_frames: int
    bytes: ByteCounts
    latency: tuple[LatencySummary, ...]
    bits_per_sent_frame: float  # mean size of what was sent for one observed frame
    bits_per_second: float  # of video, without configuration and source
    saved_against_all_keypoints: float  # share, 0 to 1
    saved_against_raw_frames: float  # share, 0 to 1, source image included in what was sent
    forecast_error: float  # mean distance of observed keypoints from their one-step forecast
    source_frames: tuple[int, ...] = ()  # made from each source, by its index
    datagrams: DatagramCounts | None = None  # None where the session had no door for them
    interpolated_frames: int = 0  # of the predicted and concealed ones
    left_out_frames: int = 0  # of a live session: newer ones had come
