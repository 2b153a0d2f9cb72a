"""The blocking client: the same names, with plain iterators.

with connect_sync("localhost:50050") as service:
    for frame in service.stream(frames, observed=5, predicted=5):
        show(frame.image, frame.origin)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Unpack
from weakref import WeakSet

import grpc

from motioncast.client import channel
from motioncast.client.coding import ModelTables, TablesOfModels
from motioncast.client.credentials import Tls, Token
from motioncast.client.decode import decode_server_info
from motioncast.client.diagnosis import connect_error
from motioncast.client.errors import InvalidRequestError, from_rpc
from motioncast.client.flow import WINDOW, Flow
from motioncast.client.keypoints_session import KeypointsSession
from motioncast.client.latest import Latest
from motioncast.client.options import EffectiveConfig, StreamOptions
from motioncast.client.publication import SyncPublication
from motioncast.client.relay import SyncRelay
from motioncast.client.session import E, FramesSession, Session
from motioncast.client.two_ends import Opening
from motioncast.client.types import (
    Encoding,
    Frame,
    FramedKeypoints,
    Keypoints,
    Mode,
    Pixels,
    Report,
    ServerInfo,
    Source,
)
from motioncast.client.watching import SyncWatching
from motioncast.codec import DEFAULT_COARSENESS
from motioncast.sending import Policy
from motioncast.v1.motion_transfer_pb2 import GetServerInfoRequest, StreamRequest
from motioncast.v1.motion_transfer_pb2_grpc import MotionTransferServiceStub
from motioncast.v1.relay_pb2_grpc import RelayServiceStub


@contextmanager
def connect_sync(
    target: str,
    *,
    timeout: float = channel.ANSWER_SECONDS,
    max_message_bytes: int = channel.MESSAGE_BYTES,
    keepalive_seconds: float = channel.KEEPALIVE_SECONDS,
    tls: Tls | bool | None = None,
    token: Token | None = None,
) -> Iterator[SyncService]:
    """Connects to an orchestrator, as `connect` does."""
    secure = channel.as_tls(tls)
    with channel.opened(target, max_message_bytes, keepalive_seconds, secure, token) as connection:
        stub = MotionTransferServiceStub(connection)
        try:
            stub.GetServerInfo(GetServerInfoRequest(), timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as failure:
            if channel.in_vain(failure):
                raise connect_error(target, timeout, secure) from None
            if refused := channel.refusal(failure, target, timeout):
                raise refused from None
        service = SyncService(stub, target, RelayServiceStub(connection))
        try:
            yield service
        finally:
            service.close()


class SyncService:
    """A connection to an orchestrator, made by `connect_sync`; with the calls of `Service`."""

    def __init__(
        self, stub: MotionTransferServiceStub, target: str, relay: RelayServiceStub
    ) -> None:
        self._stub = stub
        self._target = target
        self._relay = SyncRelay(relay, target)
        self._tables = TablesOfModels(stub, target)
        self._streams: WeakSet[SyncStream] = WeakSet()

    def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Returns what the server serves, as `Service.server_info` does."""
        try:
            info = self._stub.GetServerInfo(GetServerInfoRequest(), timeout=timeout)
        except grpc.RpcError as failure:
            raise from_rpc(failure, self._target, timeout) from failure
        return decode_server_info(info)

    def codec_tables(
        self, model: str | None = None, *, timeout: float | None = None
    ) -> ModelTables:
        """Returns what a model's keypoints are coded with, as `Service.codec_tables` does."""
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
        """Returns the session of a video of frames, as `Service.stream` does."""
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
        """Returns the session of a video of keypoints, as `Service.stream_keypoints` does."""
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
        """Returns a room to watch, from entering the block to leaving it.

        Args:
            room: Its name, as whoever publishes was told.
            token: The right to watch it, likewise.
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
        stream = SyncStream(self._stub, self._target, timeout, session, elements, latest_only)
        self._streams.add(stream)
        return stream


class SyncStream:
    """The frames of a session, to be read once: `for frame in stream`. As `Stream` otherwise.

    The video is read up to its first frame before the call is opened, where the frames are asked
    for: a camera may take longer to start than a server waits. From then on a thread of gRPC's
    reads it.
    """

    def __init__(
        self,
        stub: MotionTransferServiceStub,
        target: str,
        timeout: float | None,
        session: Session[Any],
        elements: Iterable[Any],
        latest_only: bool = False,
    ) -> None:
        self._stub = stub
        self._target = target
        self._timeout = timeout
        self._session = session
        self._elements = Latest(elements, session.sends) if latest_only else elements
        # Live: a group that is made and one on its way, or what is sent would wait in line.
        group = min(session.observed, WINDOW // 2)
        window = 2 * group if latest_only else WINDOW
        if (packed := session.packet_frames) > 1:  # packets, then; one beyond those of a group
            window = max(window // packed, -(-group // packed) + 1)
        self._flow = Flow(window, session.frame_count)
        self._call: Any = None  # both a grpc.Call and an iterator, which its stubs do not say
        self._begun = False
        self._called = threading.Event()
        self._reading = threading.Lock()  # held while an element of the video is read
        self._failure: Exception | None = None  # on this side; it explains why the call ended

    @property
    def config(self) -> EffectiveConfig:
        """The effective configuration; RuntimeError before the first frame has come."""
        return self._session.config

    @property
    def report(self) -> Report:
        """What happened in the session; RuntimeError before the last frame has come."""
        return self._session.report

    def __iter__(self) -> Generator[Frame]:
        if self._begun or self._failure is not None:
            raise RuntimeError("a stream can be read once")
        self._begun = True
        try:
            elements = iter(self._elements)
            first = self._first(elements)
            self._call = self._stub.Stream(self._messages(first, elements), timeout=self._timeout)
            if self._failure is not None:  # closed before there was a call to cancel
                self._call.cancel()
            if not self._call.add_callback(self._flow.stop):
                self._flow.stop()
            self._called.set()
            waiting: deque[Frame] = deque()  # for the video to get to them
            for response in self._call:
                frame = self._session.receive(response)
                if frame is not None:
                    waiting.append(frame)
                while waiting and self._flow.reached(waiting[0].index):
                    yield self._given(waiting.popleft())
            self._flow.stop()
            while waiting and self._flow.reached(waiting[0].index):
                yield self._given(waiting.popleft())
            self._session.finish()
        except grpc.RpcError as failure:
            raise self._failure or from_rpc(failure, self._target, self._timeout) from failure
        finally:
            self.close()

    def close(self) -> None:
        """Ends the session wherever it is; the element of the video being read is waited for."""
        self.cancel()
        with self._reading:
            pass
        if isinstance(self._elements, Latest):
            self._elements.join()

    def cancel(self) -> None:
        """Ends the session without waiting for anything."""
        self._failure = self._failure or RuntimeError("the stream was closed")
        if isinstance(self._elements, Latest):
            self._elements.stop()
        self._flow.stop()
        if self._call is not None:
            self._call.cancel()

    def _given(self, frame: Frame) -> Frame:
        self._flow.give(frame.index)
        self._session.give(frame)
        return frame

    def _first(self, elements: Iterator[Any]) -> list[StreamRequest]:
        """Returns the first messages; raises what the video raises, also when it is empty."""
        while (messages := self._next(elements)) is not None:
            if messages:
                return messages
        raise self._failure or InvalidRequestError("the video is empty")

    def _messages(
        self, first: list[StreamRequest], elements: Iterator[Any]
    ) -> Iterator[StreamRequest]:
        self._called.wait()
        messages: list[StreamRequest] | None = first
        while messages is not None:
            for message in messages:
                self._flow.write(begins=True)
                yield message
                self._flow.write(begins=False)
            if messages and messages[-1].HasField("end"):
                return
            messages = self._next(elements)

    def _next(self, elements: Iterator[Any]) -> list[StreamRequest] | None:
        self._flow.wait_for_room()
        with self._reading:
            try:
                if self._failure is not None or self._flow.over:
                    return None
                if not self._session.complete:
                    before = self._session.newest_sent
                    messages = self._session.send_next(elements)
                    if messages is not None:
                        sent = self._session.newest_sent
                        new = sent if sent != before else None
                        self._flow.read(self._session.frames_read, new)
                        return messages
                messages = self._session.end()
                self._flow.end()
                return messages or None
            except Exception as error:
                self._failure = self._failure or error
                if self._call is not None:
                    self._call.cancel()
            return None
