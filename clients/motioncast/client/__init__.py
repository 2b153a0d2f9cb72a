"""The client SDK: arrays in, arrays out.

    from motioncast.client import connect

    async with connect("localhost:50050") as service:
        async for frame in service.stream(frames, observed=5, predicted=5):
            show(frame.image, frame.origin)

`connect_sync` is the same for blocking code. `motioncast.client.video` reads and writes files,
`motioncast.client.device` detects keypoints on the sender's machine.
"""

from motioncast.client.coding import KeypointCoder, ModelTables
from motioncast.client.connection import Service, connect
from motioncast.client.credentials import Tls, Token
from motioncast.client.errors import (
    ConnectError,
    DeadlineExceededError,
    ForbiddenError,
    InvalidRequestError,
    MediaError,
    MissingExtraError,
    MotioncastError,
    OutOfOrderError,
    OverloadedError,
    ServerError,
    UnauthenticatedError,
    UnavailableError,
    UnknownModelError,
    UnknownRoomError,
)
from motioncast.client.options import EffectiveConfig, StreamOptions, is_observed
from motioncast.client.pictures import Channels, fit
from motioncast.client.publication import SyncPublication
from motioncast.client.receiver import Receiver
from motioncast.client.rendering import ReceiverModels
from motioncast.client.rooms import Publication, Watching
from motioncast.client.sender import OutgoingPacket, Sender
from motioncast.client.stream import Stream
from motioncast.client.sync import SyncService, connect_sync
from motioncast.client.sync_stream import SyncStream
from motioncast.client.two_ends import (
    Ending,
    Feedback,
    Opening,
    ReceivedFrame,
    TwoEndsTraffic,
)
from motioncast.client.types import (
    ByteCounts,
    DatagramCounts,
    DatagramTraffic,
    Encoding,
    Frame,
    FramedKeypoints,
    Framing,
    KeypointEncoding,
    Keypoints,
    LatencySummary,
    Mode,
    Model,
    OutputEncoding,
    Pixels,
    Report,
    ServerInfo,
    Source,
    StageTimings,
)
from motioncast.client.watching import SyncWatching
from motioncast.framing import Crop, FramingMode, put_back
from motioncast.timeline.origin import Origin

__all__ = [
    "ByteCounts",
    "Channels",
    "ConnectError",
    "Crop",
    "DatagramCounts",
    "DatagramTraffic",
    "DeadlineExceededError",
    "EffectiveConfig",
    "Encoding",
    "Ending",
    "Feedback",
    "ForbiddenError",
    "Frame",
    "FramedKeypoints",
    "Framing",
    "FramingMode",
    "InvalidRequestError",
    "KeypointCoder",
    "KeypointEncoding",
    "Keypoints",
    "LatencySummary",
    "MediaError",
    "MissingExtraError",
    "Mode",
    "Model",
    "ModelTables",
    "MotioncastError",
    "Opening",
    "Origin",
    "OutOfOrderError",
    "OutgoingPacket",
    "OutputEncoding",
    "OverloadedError",
    "Pixels",
    "Publication",
    "ReceivedFrame",
    "Receiver",
    "ReceiverModels",
    "Report",
    "Sender",
    "ServerError",
    "ServerInfo",
    "Service",
    "Source",
    "StageTimings",
    "Stream",
    "StreamOptions",
    "SyncPublication",
    "SyncService",
    "SyncStream",
    "SyncWatching",
    "Tls",
    "Token",
    "TwoEndsTraffic",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownModelError",
    "UnknownRoomError",
    "Watching",
    "connect",
    "connect_sync",
    "fit",
    "is_observed",
    "put_back",
]
