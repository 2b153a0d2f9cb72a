"""What a client receives: frozen values with numpy arrays, no protobuf."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from motioncast.framing import Crop, FramingMode
from motioncast.timeline.origin import Origin as Origin  # part of the client's API

Pixels: TypeAlias = NDArray[np.uint8]  # (H, W, 3), RGB
Keypoints: TypeAlias = NDArray[np.float32]  # (K, 3): x, y in [-1, 1], intensity in [0, 1]
Encoding: TypeAlias = Literal["rgb8", "jpeg", "png", "webp", "avif"]
OutputEncoding: TypeAlias = Literal["rgb8", "jpeg", "png", "h264"]
KeypointEncoding: TypeAlias = Literal["floats", "coded"]
Framing: TypeAlias = Literal["auto", "fixed", "off"] | FramingMode


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A source image as an element of a video: sent between two frames, and not itself a frame.

    It is used from the next frame on, in addition to the earlier sources, or instead of the one
    with the same index.
    """

    image: Pixels  # (H, W, 3)
    index: int  # 0 to 3
    keypoints: Keypoints | None = None  # (K, 3); None lets the server detect them


@dataclass(frozen=True, slots=True, eq=False)
class FramedKeypoints:
    """Keypoints of a frame that was framed on this side, made by `motioncast.client.device`."""

    keypoints: Keypoints  # (K, 3)
    crop: Crop  # the part of the picture that they belong to


class Mode(StrEnum):
    """How the source image relates to the driving video."""

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
    source_weights: tuple[float, ...] = ()  # of the K keypoints, to choose a source; empty: equal
    codec_tables: str = ""  # SHA-256 of its keypoints' codec tables; "" if it has none
    anchored_keypoints: int = 0  # the first ones, which mark fixed points of every face
    registers: bool = False  # whether frames' keypoints are registered with the source


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server offers, and its limits."""

    version: str
    models: tuple[Model, ...]  # the default first
    max_group_frames: int  # largest M and largest N
    max_message_bytes: int
    max_sessions: int
    max_sources: int = 1  # source images of a session


@dataclass(frozen=True, slots=True)
class StageTimings:
    """How long the stages took for a frame's group, in milliseconds, as measured by the server."""

    keypoint_ms: float  # the call to the keypoint service; 0 when the client sent keypoints
    predictor_ms: float  # the call to the predictor service; 0 if there was none
    synthesis_ms: float  # the call to the synthesis service
    total_ms: float  # from the arrival of the group's last message until its frames were ready
    keypoint_inference_ms: float  # of keypoint_ms, in the model itself
    predictor_inference_ms: float
    synthesis_inference_ms: float
    ensemble_ms: float  # the call that replaces the other three, if the server runs an ensemble
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
    half_width90: Keypoints | None = None  # (K, 3), of a forecast's 90 % interval, if stated
    crop: Crop | None = None  # the part of the full picture it shows; None if not framed
    faces: int = 0  # found in the latest frame that the server searched for faces
    source_index: int = 0  # of the source image that it was made from
    interpolated: bool = False  # its keypoints lie between those sent around it: no forecast
    synthetic: bool = True  # made by a model; must be labelled wherever it is stored or shown


@dataclass(frozen=True, slots=True)
class ByteCounts:
    """Bytes of serialised messages, as the server counted them."""

    config: int  # received: configurations
    source: int  # received: source images, all of them
    frames: int  # received: driving frames
    keypoints: int  # received: keypoint packets
    results: int  # sent: result frames
    keypoint_payload: int = 0  # part of `keypoints`: coded packets, or 12 bytes for each keypoint
    keypoint_messages: int = 0  # number of messages counted in `keypoints`


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Latency of one stage per group, in milliseconds; all 0 if the stage never ran."""

    stage: str  # keypoint, predictor, synthesis, ensemble, total, or framing (per picture)
    count: int  # groups that the stage ran for
    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float


@dataclass(frozen=True, slots=True)
class DatagramTraffic:
    """How a session's packets travelled, as counted at this end."""

    carrier: Literal["grpc", "datagrams"]  # of the last packet that was not a resent one
    packets: int  # keypoint packets sent as datagrams
    payload_bytes: int  # of those packets
    message_bytes: int  # of those packets including motioncast's own headers
    grpc_packets: int  # keypoint packets sent over gRPC, including resent ones
    udp_sent: int  # UDP datagrams, including the handshake and QUIC's own acknowledgements
    udp_sent_bytes: int  # of those on the wire, with UDP and IP headers
    udp_received: int
    udp_received_bytes: int


@dataclass(frozen=True, slots=True)
class DatagramCounts:
    """Traffic at the server's datagram port, as counted by the server."""

    packets: int  # received keypoint packets
    late_frames: int  # frames that arrived after they had been forecast
    received: int  # UDP datagrams
    received_bytes: int  # of those on the wire, with UDP and IP headers
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
    bits_per_sent_frame: float  # mean size of the data sent per observed frame
    bits_per_second: float  # of video, without configuration and source
    saved_against_all_keypoints: float  # share, 0 to 1
    saved_against_raw_frames: float  # share, 0 to 1; the data sent includes the source image
    forecast_error: float  # mean distance of observed keypoints from their one-step forecast
    source_frames: tuple[int, ...] = ()  # number of frames made from each source, by its index
    datagrams: DatagramCounts | None = None  # None if the session had no datagram port
    interpolated_frames: int = 0  # among the predicted and concealed ones
    left_out_frames: int = 0  # live sessions only: skipped because newer ones had arrived
