"""The configuration of a session: read, checked, filled in, and echoed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from motioncast.framing import FramingMode
from motioncast.timeline.pattern import (
    DEFAULT_OBSERVED,
    DEFAULT_PREDICTED,
    MAX_GROUP_FRAMES,
    Pattern,
)
from motioncast.v1 import motion_transfer_pb2
from motioncast.v1.common_pb2 import ModelInfo
from motioncast.v1.motion_transfer_pb2 import StreamConfig, TransferMode
from motioncast.wire.errors import InvalidInputError, UnknownModelError
from motioncast.wire.framing import decode_mode, encode_mode
from motioncast.wire.images import Encoding, effective_encoding
from motioncast.wire.limits import check_range

MAX_FRAME_COUNT: Final = 2**24  # a week at 25 frames a second; longer ones declare no number
_MAX_FRAME_RATE: Final = 240.0
_RECONSTRUCTION: Final = motion_transfer_pb2.TRANSFER_MODE_RECONSTRUCTION
_TRANSFER: Final = motion_transfer_pb2.TRANSFER_MODE_TRANSFER


@dataclass(frozen=True, slots=True)
class ServedModels:
    """The model configurations that sessions can have.

    Attributes:
        models: Those that are served, the default first.
        default: Name of the one of sessions that name none; not among them when it cannot be
            served, and then no other takes its place.
    """

    models: tuple[ModelInfo, ...]
    default: str


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session runs with; every default is filled in."""

    model: ModelInfo
    pattern: Pattern
    mode: TransferMode.ValueType
    relative_motion: bool
    frame_rate: float  # frames per second
    frame_count: int | None  # frames of the whole timeline; None when unknown
    output_encoding: Encoding
    seed: int | None  # of the predictor's noise; None for the mean path
    frame: FramingMode = FramingMode.OFF  # whether the server frames, and how


def decode_config(message: StreamConfig, served: ServedModels) -> SessionConfig:
    """Returns the session's configuration.

    Args:
        message: What the client wants.
        served: The models, and which is the default.

    Raises:
        InvalidInputError: A field is out of range.
        UnknownModelError: No model of that name is served; or none is named, and not the default.
    """
    config = SessionConfig(
        model=_model(message, served),
        pattern=Pattern(
            _count(message, "observed_frames", low=1, default=DEFAULT_OBSERVED),
            _count(message, "predicted_frames", low=0, default=DEFAULT_PREDICTED),
        ),
        mode=message.mode or _RECONSTRUCTION,
        relative_motion=message.relative_motion,
        frame_rate=message.frame_rate if message.HasField("frame_rate") else 25.0,
        frame_count=message.frame_count if message.HasField("frame_count") else None,
        output_encoding=effective_encoding(message.output_encoding, "config.output_encoding"),
        seed=message.seed if message.HasField("seed") else None,
        frame=decode_mode(message.frame, "config.frame"),
    )
    if config.mode not in (_RECONSTRUCTION, _TRANSFER):
        raise InvalidInputError.of("config.mode", f"{config.mode} is not a mode")
    if config.relative_motion and config.mode != _TRANSFER:
        raise InvalidInputError.of("config.relative_motion", "only transfer mode has it")
    if not 0 < config.frame_rate <= _MAX_FRAME_RATE:  # NaN neither
        raise InvalidInputError.of(
            "config.frame_rate", f"{config.frame_rate:g} is out of range (0, {_MAX_FRAME_RATE:g}]"
        )
    if config.frame_count == 0:
        raise InvalidInputError.of("config.frame_count", "0 is less than 1; leave it out instead")
    if config.frame_count is not None:
        check_range("config.frame_count", config.frame_count, 1, MAX_FRAME_COUNT)
    return config


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
    )


def _model(message: StreamConfig, served: ServedModels) -> ModelInfo:
    wanted = message.model or served.default
    for model in served.models:
        if model.name == wanted:
            return model
    others = ", ".join(model.name for model in served.models)
    problem = f"no model named {wanted} is served (expected one of {others})"
    if not message.model:
        problem = f"the default, {wanted}, cannot be served; there are: {others}"
    raise UnknownModelError(f"config.model: {problem}", field="config.model")


def _count(message: StreamConfig, field: str, *, low: int, default: int) -> int:
    if not message.HasField(field):  # type: ignore[arg-type]  # the stubs list literals
        return default
    value: int = getattr(message, field)
    check_range(f"config.{field}", value, low, MAX_GROUP_FRAMES)
    return value
