"""The blocking client: the same names as the asyncio client, with plain iterators.

with connect_sync("localhost:50050") as service:
    for frame in service.stream(frames, observed=5, predicted=5):
        show(frame.image, frame.origin)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Unpack
from weakref import WeakSet

import grpc

from motioncast.client import channel
from motioncast.client.attempts import RESUME_SECONDS, STALL_SECONDS, Perseverance
from motioncast.client.coding import ModelTables, TablesOfModels
from motioncast.client.credentials import Tls, Token
from motioncast.client.decode import decode_server_info
from motioncast.client.diagnosis import connect_error
from motioncast.client.errors import from_rpc
from motioncast.client.frames_session import FramesSession
from motioncast.client.keypoints_session import KeypointsSession
from motioncast.client.options import StreamOptions
from motioncast.client.publication import SyncPublication
from motioncast.client.relay import SyncRelay
from motioncast.client.session import E, Session
from motioncast.client.sync_stream import SyncStream
from motioncast.client.two_ends import Opening
from motioncast.client.types import (
    Encoding,
    FramedKeypoints,
    Keypoints,
    Mode,
    Pixels,
    ServerInfo,
    Source,
)
from motioncast.client.watching import SyncWatching
from motioncast.client.ways import Target, Ways, answer_seconds, targets_of
from motioncast.codec import DEFAULT_COARSENESS
from motioncast.sending import Policy
from motioncast.v1.motion_transfer_pb2 import GetServerInfoRequest
from motioncast.v1.relay_pb2_grpc import RelayServiceStub


@contextmanager
def connect_sync(
    target: Target,
    *,
    timeout: float = channel.ANSWER_SECONDS,
    max_message_bytes: int = channel.MESSAGE_BYTES,
    keepalive_seconds: float = channel.KEEPALIVE_SECONDS,
    stall_seconds: float = STALL_SECONDS,
    resume_seconds: float = RESUME_SECONDS,
    tls: Tls | bool | None = None,
    token: Token | None = None,
) -> Iterator[SyncService]:
    """Connects to an orchestrator, as `connect` does."""
    secure = channel.as_tls(tls)
    perseverance = Perseverance(stall_seconds, resume_seconds)
    ways = Ways(
        targets_of(target),
        lambda one: channel.opened(one, max_message_bytes, keepalive_seconds, secure, token),
    )
    with closing(ways):
        for way in ways.all:
            seconds = answer_seconds(timeout, ways.all)
            with ways.asking(way, timeout):
                way.stub.GetServerInfo(GetServerInfoRequest(), timeout=seconds, wait_for_ready=True)
            if ways.answered:
                break
        else:
            raise connect_error(ways.used.target, timeout, secure)
        service = SyncService(ways, perseverance)
        try:
            yield service
        finally:
            service.close()


class SyncService:
    """A connection to an orchestrator, created by `connect_sync`; with the calls of `Service`."""

    def __init__(self, ways: Ways, perseverance: Perseverance) -> None:
        self._ways = ways
        self._perseverance = perseverance
        self._relay = SyncRelay(RelayServiceStub(ways.used.channel), ways.used.target)
        self._tables = TablesOfModels(ways)
        self._streams: WeakSet[SyncStream] = WeakSet()

    def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Returns what the server offers, as `Service.server_info` does."""
        try:
            info = self._ways.used.stub.GetServerInfo(GetServerInfoRequest(), timeout=timeout)
        except grpc.RpcError as failure:
            raise from_rpc(failure, self._ways.used.target, timeout) from failure
        return decode_server_info(info)

    def codec_tables(
        self, model: str | None = None, *, timeout: float | None = None
    ) -> ModelTables:
        """Returns the codec tables of a model's keypoints, as `Service.codec_tables` does."""
        return self._tables.of(model, timeout)

    def stream(
        self,
        frames: Iterable[Pixels | Source | None],
        *,
        source: Pixels | Sequence[Pixels] | None = None,
        encoding: Encoding = "rgb8",
        latest_only: bool = False,
        timeout: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> SyncStream:
        """Returns a session for a video of frames, as `Service.stream` does."""
        session = FramesSession(frames, source, encoding, options)
        return self._open(session, frames, timeout, latest_only)

    def stream_keypoints(
        self,
        keypoints: Iterable[Keypoints | FramedKeypoints | Source | None],
        *,
        source: Pixels | Sequence[Pixels],
        source_keypoints: Keypoints | Sequence[Keypoints] | None = None,
        mode: Mode | None = None,
        encoding: Encoding = "rgb8",
        latest_only: bool = False,
        timeout: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> SyncStream:
        """Returns a session for a video of keypoints, as `Service.stream_keypoints` does."""
        session = KeypointsSession(
            keypoints,
            source,
            source_keypoints,
            mode,
            encoding,
            options,
            lambda model: self._tables.of(model, timeout),
        )
        return self._open(session, keypoints, timeout, latest_only)

    def publish(
        self,
        opening: Opening,
        tables: ModelTables | None = None,
        *,
        policy: Policy | None = None,
        wait_frames: int = 0,
        coarseness: int = DEFAULT_COARSENESS,
    ) -> SyncPublication:
        """Returns a room in which others watch a video, as `Service.publish` does."""
        known = self._tables.of(opening.model, None) if tables is None else tables
        return self._relay.publish(opening, known, policy, wait_frames, coarseness)

    def watch(self, room: str, token: str) -> SyncWatching:
        """Returns a room to watch; it is watched from entering the block to leaving it.

        Args:
            room: The room's name, which the publisher was given.
            token: The token that grants the right to watch, also given to the publisher.
        """
        return self._relay.watch(room, token)

    def close(self) -> None:
        """Ends the streams that are still running."""
        for stream in list(self._streams):
            stream.close()

    def _open(
        self,
        session: Session[E],
        elements: Iterable[E | Source | None],
        timeout: float | None,
        latest_only: bool,
    ) -> SyncStream:
        stream = SyncStream(self._ways, timeout, session, elements, latest_only, self._perseverance)
        self._streams.add(stream)
        return stream
