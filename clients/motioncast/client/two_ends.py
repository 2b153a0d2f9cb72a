"""What the two ends of a room agree on and count: frozen values, and their messages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from motioncast.client.errors import InvalidRequestError
from motioncast.client.options import MODES
from motioncast.client.types import Keypoints, Mode, Model, Pixels
from motioncast.framing import Crop
from motioncast.timeline.motion import RelativeMotion
from motioncast.timeline.origin import Origin
from motioncast.timeline.pattern import Pattern
from motioncast.v1.relay_pb2 import RoomOpening

EVERY_FRAME: Final = Pattern(1, 0)
_MODES: Final = {number: mode for mode, number in MODES.items()}


@dataclass(frozen=True, slots=True)
class Opening:
    """What a receiver has to know before the first packet.

    Attributes:
        model: Name of the model configuration.
        codec_tables: SHA-256 of its keypoints' codec tables, `ModelTables.digest`.
        height, width: Size of its images, in pixels.
        keypoints: K.
        frame_rate: Frames per second, above 0 and up to 240.
        pattern: Which frames the sender intends to send; 1:0 is every one.
        mode: How source 0 relates to the video.
        relative_motion: Transfer only: source 0 is moved by the video's motion since its first
            frame.
        frame_count: Frames of the whole video; None when unknown.
        source_weights: Weights of the K keypoints for choosing a source; empty: all equal.
        anchored_keypoints: How many of the keypoints, the first ones, mark fixed points of a face.
        predictor: SHA-256 of the predictor that the sender's gate forecasts with, which receivers
            then need; "" without such a gate.
    """

    model: str
    codec_tables: str
    height: int
    width: int
    keypoints: int
    frame_rate: float = 25.0
    pattern: Pattern = EVERY_FRAME
    mode: Mode = Mode.RECONSTRUCTION
    relative_motion: bool = False
    frame_count: int | None = None
    source_weights: tuple[float, ...] = ()
    anchored_keypoints: int = 0
    predictor: str = ""

    def motion(self) -> RelativeMotion | None:
        """Returns what moves source 0 from the first frame on; None if motion is not relative."""
        return RelativeMotion(anchored=self.anchored_keypoints) if self.relative_motion else None

    @classmethod
    def of(
        cls,
        model: Model,
        *,
        frame_rate: float = 25.0,
        pattern: Pattern | None = None,
        mode: Mode = Mode.RECONSTRUCTION,
        relative_motion: bool = False,
        frame_count: int | None = None,
        predictor: str = "",
    ) -> Opening:
        """Returns the opening of a video for a model, as described by `server_info`.

        Raises:
            InvalidRequestError: The model's keypoints cannot be coded.
        """
        if not model.codec_tables:
            raise InvalidRequestError.of("model", f"{model.name} has no codec tables")
        return cls(
            model.name,
            model.codec_tables,
            model.height,
            model.width,
            model.keypoints,
            frame_rate,
            pattern or EVERY_FRAME,
            mode,
            relative_motion,
            frame_count,
            model.source_weights,
            model.anchored_keypoints,
            predictor,
        )


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedFrame:
    """A frame rendered by a receiver."""

    index: int  # on the timeline
    origin: Origin
    image: Pixels  # (H, W, 3)
    keypoints: Keypoints  # (K, 3), before relative motion is applied
    source_index: int  # of the source image that it was made from
    crop: Crop | None = None  # the part of the sender's picture it shows; None if not framed
    synthetic: bool = True  # made by a model; must be labelled wherever it is stored or shown


class Ending(StrEnum):
    """Why a room has closed."""

    ENDED = "ended"  # the video is over
    LOST = "lost"  # the sender has disappeared


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a sender knows of the watchers."""

    watchers: int = 0
    newest_acknowledged: int | None = None  # newest frame that all of them have
    anchor_wanted: bool = False  # whether a watcher needs a packet that refers to a source


@dataclass(slots=True)
class TwoEndsTraffic:
    """Bytes of one end of a room, both ways. Excludes gRPC's five bytes per message.

    Attributes:
        config, source, keypoints, feedback: Bytes of messages by their content.
        payload: Bytes of the packets of coded keypoints alone.
        packets: Number of those packets.
        feedback_messages: Number of messages counted in `feedback`.
    """

    config: int = 0
    source: int = 0
    keypoints: int = 0
    feedback: int = 0
    payload: int = 0
    packets: int = 0
    feedback_messages: int = 0

    def count(self, kind: str, size: int) -> None:
        """Counts a message of a kind."""
        setattr(self, kind, getattr(self, kind) + size)
        self.feedback_messages += kind == "feedback"


def encode_opening(opening: Opening) -> RoomOpening:
    """Returns an opening as a message."""
    return RoomOpening(
        model=opening.model,
        codec_tables=opening.codec_tables,
        height=opening.height,
        width=opening.width,
        keypoints=opening.keypoints,
        frame_rate=opening.frame_rate,
        observed_frames=opening.pattern.observed,
        predicted_frames=opening.pattern.predicted,
        mode=MODES[opening.mode],
        relative_motion=opening.relative_motion,
        frame_count=opening.frame_count or 0,
        source_weights=opening.source_weights,
        anchored_keypoints=opening.anchored_keypoints,
        predictor=opening.predictor,
    )


def decode_opening(message: RoomOpening) -> Opening:
    """Returns the opening in a message."""
    return Opening(
        message.model,
        message.codec_tables,
        message.height,
        message.width,
        message.keypoints,
        message.frame_rate,
        Pattern(max(1, message.observed_frames), message.predicted_frames),
        _MODES.get(message.mode, Mode.RECONSTRUCTION),
        message.relative_motion,
        message.frame_count or None,
        tuple(message.source_weights),
        message.anchored_keypoints,
        message.predictor,
    )
