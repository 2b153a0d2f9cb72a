"""Reads, checks, completes and echoes the configuration of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from motioncast.framing import FramingMode
from motioncast.timeline.interpolation import MAX_DELAY_FRAMES
from motioncast.timeline.pattern import (
    DEFAULT_OBSERVED,
    DEFAULT_PREDICTED,
    MAX_GROUP_FRAMES,
    Pattern,
)
from motioncast.v1 import common_pb2, motion_transfer_pb2
from motioncast.v1.common_pb2 import ModelInfo
from motioncast.v1.motion_transfer_pb2 import StreamConfig, TransferMode
from motioncast.wire.errors import InvalidInputError, OutOfOrderError, UnknownModelError
from motioncast.wire.framing import decode_mode, encode_mode
from motioncast.wire.images import (
    DEFAULT_CRF,
    H264,
    MAX_CRF,
    RGB8,
    Encoding,
    effective_output,
)
from motioncast.wire.limits import check_range

MAX_FRAME_COUNT: Final = 2**24  # a week at 25 frames a second; longer sessions declare no count
MAX_FRAME_RATE: Final = 240.0
_FRAME_RATE: Final = 25.0
FLOATS: Final = common_pb2.KEYPOINT_ENCODING_FLOATS
CODED: Final = common_pb2.KEYPOINT_ENCODING_CODED
_RECONSTRUCTION: Final = motion_transfer_pb2.TRANSFER_MODE_RECONSTRUCTION
_TRANSFER: Final = motion_transfer_pb2.TRANSFER_MODE_TRANSFER


@dataclass(frozen=True, slots=True)
class ServedModels:
    """The model configurations available to sessions.

    Attributes:
        models: The served models, the default first.
        default: Name of the model used by sessions that name none. When it cannot be served it is
            missing from `models`, and no other model takes its place.
    """

    models: tuple[ModelInfo, ...]
    default: str


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The configuration that a session runs with, with every default filled in."""

    model: ModelInfo
    pattern: Pattern
    mode: TransferMode.ValueType
    relative_motion: bool
    frame_rate: float  # frames per second
    frame_count: int | None  # frames of the whole timeline; None when unknown
    output_encoding: Encoding
    seed: int | None  # of the predictor's noise; None for the mean path
    frame: FramingMode = FramingMode.OFF  # whether and how the server frames pictures
    coded: bool = False  # whether keypoints are coded with the model's tables
    datagrams: bool = False  # whether the client wants to send keypoints as datagrams as well
    delay_frames: int = 0  # frames to wait for, in order to interpolate
    live: bool = False  # whether frames are skipped once newer ones have arrived
    output_crf: int = DEFAULT_CRF  # of H.264
    pictures_only: bool = False  # whether results omit keypoints and timings

    @property
    def resumable(self) -> bool:
        """Whether the session can be resumed elsewhere: its whole state fits in a token."""
        return self.delay_frames == 0 and not self.datagrams and not self.live

    @property
    def registers(self) -> bool:
        """Whether keypoints found in images are registered with the first source.

        In relative motion they are not: the source may show another person.
        """
        return self.model.registers and not self.relative_motion

    @property
    def picture_encoding(self) -> Encoding:
        """Encoding requested from synthesis; for H.264 the session encodes the pictures itself."""
        return RGB8 if self.output_encoding == H264 else self.output_encoding


def decode_config(message: StreamConfig, served: ServedModels) -> SessionConfig:
    """Returns the session's configuration.

    Args:
        message: The client's request.
        served: The served models, and which is the default.

    Raises:
        InvalidInputError: A field is out of range.
        UnknownModelError: No model of that name is served; or none was named and the default is not
            served.
        OutOfOrderError: Coded keypoints were requested, and the model has no tables or the client
            has different ones.
    """
    config = SessionConfig(
        model=find_model(message.model, served, "config.model"),
        pattern=Pattern(
            _count(message, "observed_frames", low=1, default=DEFAULT_OBSERVED),
            _count(message, "predicted_frames", low=0, default=DEFAULT_PREDICTED),
        ),
        mode=message.mode or _RECONSTRUCTION,
        relative_motion=message.relative_motion,
        frame_rate=frame_rate_of(message),
        frame_count=message.frame_count if message.HasField("frame_count") else None,
        output_encoding=_output(message.output_encoding),
        seed=message.seed if message.HasField("seed") else None,
        frame=decode_mode(message.frame, "config.frame"),
        coded=_is_coded(message),
        datagrams=message.HasField("datagrams"),
        delay_frames=message.delay_frames,
        live=message.live,
        pictures_only=message.pictures_only,
        output_crf=message.output_crf if message.HasField("output_crf") else DEFAULT_CRF,
    )
    if config.live and config.delay_frames:
        raise InvalidInputError.of("config.live", "cannot be combined with delay_frames")
    check_range("config.delay_frames", config.delay_frames, 0, MAX_DELAY_FRAMES)
    check_range("config.output_crf", config.output_crf, 1, MAX_CRF)
    if config.coded:
        _check_tables(message, config.model)
    elif config.datagrams:
        raise InvalidInputError.of("config.datagrams", "only supported with coded keypoints")
    if config.mode not in (_RECONSTRUCTION, _TRANSFER):
        raise InvalidInputError.of("config.mode", f"{config.mode} is not a known mode")
    if config.relative_motion and config.mode != _TRANSFER:
        raise InvalidInputError.of("config.relative_motion", "only supported in transfer mode")
    if not 0 < config.frame_rate <= MAX_FRAME_RATE:  # false for NaN too
        raise InvalidInputError.of(
            "config.frame_rate", f"{config.frame_rate:g} is out of range (0, {MAX_FRAME_RATE:g}]"
        )
    if config.frame_count == 0:
        raise InvalidInputError.of("config.frame_count", "0 is less than 1; omit it if unknown")
    if config.frame_count is not None:
        check_range("config.frame_count", config.frame_count, 1, MAX_FRAME_COUNT)
    return config


def frame_rate_of(message: StreamConfig) -> float:
    """Returns the frame rate of a session in frames per second, without checking it."""
    return message.frame_rate if message.HasField("frame_rate") else _FRAME_RATE


def encode_config(config: SessionConfig) -> StreamConfig:
    """Returns the configuration as the server echoes it."""
    return StreamConfig(
        model=config.model.name,
        mode=config.mode,
        relative_motion=config.relative_motion,
        observed_frames=config.pattern.observed,
        predicted_frames=config.pattern.predicted,
        frame_rate=config.frame_rate,
        frame_count=config.frame_count or 0,
        output_encoding=config.output_encoding,
        seed=config.seed,
        height=config.model.height,
        width=config.model.width,
        keypoints=config.model.keypoints,
        frame=encode_mode(config.frame),
        keypoint_encoding=CODED if config.coded else FLOATS,
        codec_tables=config.model.codec_tables if config.coded else None,
        delay_frames=config.delay_frames,
        live=config.live,
        pictures_only=config.pictures_only,
        output_crf=config.output_crf if config.output_encoding == H264 else None,
    )


def find_model(name: str, served: ServedModels, field: str) -> ModelInfo:
    """Returns the named model, the default for ""; UnknownModelError when it is not served."""
    wanted = name or served.default
    for model in served.models:
        if model.name == wanted:
            return model
    others = ", ".join(model.name for model in served.models)
    problem = f"no model named {wanted} is served (expected one of {others})"
    if not name:
        problem = f"the default, {wanted}, cannot be served; available: {others}"
    raise UnknownModelError(f"{field}: {problem}", field=field)


def _output(encoding: Encoding) -> Encoding:
    return H264 if encoding == H264 else effective_output(encoding, "config.output_encoding")


def _is_coded(message: StreamConfig) -> bool:
    encoding = message.keypoint_encoding or FLOATS
    if encoding not in (FLOATS, CODED):
        raise InvalidInputError.of(
            "config.keypoint_encoding", f"{encoding} is not a known encoding of keypoints"
        )
    return encoding == CODED


def _check_tables(message: StreamConfig, model: ModelInfo) -> None:
    if not model.codec_tables:
        raise OutOfOrderError(
            f"config.keypoint_encoding: {model.name} has no codec tables; send its keypoints"
            " as floats",
            field="config.keypoint_encoding",
        )
    if message.codec_tables and message.codec_tables != model.codec_tables:
        raise OutOfOrderError(
            f"config.codec_tables: {model.name} is served with other codec tables"
            f" ({model.codec_tables[:8]}...) than the client's",
            field="config.codec_tables",
        )


def _count(message: StreamConfig, field: str, *, low: int, default: int) -> int:
    if not message.HasField(field):  # type: ignore[arg-type]  # the stubs list literals
        return default
    value: int = getattr(message, field)
    check_range(f"config.{field}", value, low, MAX_GROUP_FRAMES)
    return value
