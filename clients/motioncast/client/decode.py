"""Converts a server's messages to frozen values."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, TypeVar

from motioncast.client.errors import ServerError
from motioncast.client.options import EffectiveConfig, received_framing
from motioncast.client.types import (
    ByteCounts,
    DatagramCounts,
    Frame,
    LatencySummary,
    Model,
    Report,
    ServerInfo,
    StageTimings,
)
from motioncast.media import MediaError
from motioncast.media.h264 import H264Decoder
from motioncast.timeline.origin import Origin
from motioncast.v1 import common_pb2
from motioncast.v1.motion_transfer_pb2 import (
    GetServerInfoResponse,
    ResultFrame,
    StreamReport,
)
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.framing import decode_crop
from motioncast.wire.images import decode_image
from motioncast.wire.keypoints import decode_keypoints

_ORIGINS: Final = {
    common_pb2.FRAME_ORIGIN_OBSERVED: Origin.OBSERVED,
    common_pb2.FRAME_ORIGIN_PREDICTED: Origin.PREDICTED,
    common_pb2.FRAME_ORIGIN_CONCEALED: Origin.CONCEALED,
}

T = TypeVar("T")


def decode_server_info(message: GetServerInfoResponse) -> ServerInfo:
    """Returns what a server offers."""
    models = tuple(
        _alike(
            Model,
            model,
            framing=received_framing(model.framing),
            source_weights=tuple(model.source_weights),
        )
        for model in message.models
    )
    return _alike(ServerInfo, message, models=models, max_sources=message.max_sources or 1)


def decode_frame(
    message: ResultFrame, config: EffectiveConfig, video: H264Decoder | None = None
) -> Frame:
    """Returns one frame of the result; ServerError when it contradicts the configuration.

    Args:
        message: The frame's message.
        config: The session's configuration.
        video: The decoder that has decoded the frames before it, if images travel as a stream.
    """
    if message.origin not in _ORIGINS:
        raise ServerError(
            f"frame {message.index}: origin {message.origin} is unknown to this client"
        )
    try:
        if video is not None:
            image = video.decode(message.encoded.data)
        else:
            image = decode_image(message.image, config.height, config.width)
        count = 0 if config.pictures_only else config.keypoints
        keypoints = decode_keypoints(message.keypoints, count)
        half_width90 = (
            decode_keypoints(message.half_width90, config.keypoints, "half_width90")
            if message.HasField("half_width90")
            else None
        )
        crop = decode_crop(message.crop) if message.HasField("crop") else None
    except (InvalidInputError, MediaError) as error:
        raise ServerError(f"frame {message.index} cannot be read: {error}") from error
    for array in (image, keypoints, half_width90):
        if array is not None:
            array.flags.writeable = False
    return Frame(
        index=message.index,
        origin=_ORIGINS[message.origin],
        image=image,
        keypoints=keypoints,
        timings=_alike(StageTimings, message.timings),
        group_frames=message.group_frames,
        half_width90=half_width90,
        crop=crop,
        faces=message.faces,
        source_index=message.source_index,
        interpolated=message.interpolated,
        synthetic=message.synthetic,
    )


def decode_report(message: StreamReport) -> Report:
    """Returns the report that ends a session."""
    latency = tuple(_alike(LatencySummary, stage) for stage in message.latency)
    return _alike(
        Report,
        message,
        bytes=_alike(ByteCounts, message.bytes),
        latency=latency,
        source_frames=tuple(message.source_frames),
        datagrams=_alike(DatagramCounts, message.datagrams)
        if message.HasField("datagrams")
        else None,
    )


def _alike(kind: type[T], message: Any, **given: Any) -> T:
    """Returns a value of `kind`: fields from `given`, all others from the message."""
    names = (field.name for field in fields(kind))  # type: ignore[arg-type]
    return kind(**given, **{name: getattr(message, name) for name in names if name not in given})
