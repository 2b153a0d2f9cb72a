"""The asyncio client.

async with connect("localhost:50050") as service:
    async for frame in service.stream(frames, observed=5, predicted=5):
        show(frame.image, frame.origin)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any, TypeAlias, TypeVar, Unpack
from weakref import WeakSet

import grpc

from motioncast.client import channel
from motioncast.client.attempts import RESUME_SECONDS, STALL_SECONDS, Perseverance
from motioncast.client.awaited import Awaited
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
from motioncast.client.rooms import Publication, Watching
from motioncast.client.session import E, Session
from motioncast.client.stream import Stream
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
from motioncast.client.ways import Target, Ways, answer_seconds, targets_of
from motioncast.codec import DEFAULT_COARSENESS
from motioncast.sending import Policy
from motioncast.v1.motion_transfer_pb2 import GetServerInfoRequest
from motioncast.v1.relay_pb2_grpc import RelayServiceStub

T = TypeVar("T")
Elements: TypeAlias = AsyncIterable[T | None] | Iterable[T | None]


@asynccontextmanager
async def connect(
    target: Target,
    *,
    timeout: float = channel.ANSWER_SECONDS,
    max_message_bytes: int = channel.MESSAGE_BYTES,
    keepalive_seconds: float = channel.KEEPALIVE_SECONDS,
    stall_seconds: float = STALL_SECONDS,
    resume_seconds: float = RESUME_SECONDS,
    tls: Tls | bool | None = None,
    token: Token | None = None,
) -> AsyncIterator[Service]:
    """Connects to an orchestrator; leaving the block ends the streams that are still running.

    Args:
        target: Its address, `HOST:PORT`; or the addresses of several servers that share a resume
            key, as a list or separated by commas. A session that loses its server resumes at the
            next.
        timeout: Seconds to wait for a response; connecting is retried until then.
        max_message_bytes: Largest message sent or received.
        keepalive_seconds: Silence during a call after which the server is pinged; one that does
            not respond is soon abandoned.
        stall_seconds: A server that owes a session a response and stays silent for this long is
            abandoned.
        resume_seconds: How long a session tries to resume elsewhere before it fails; 0: never.
        tls: How the connection is encrypted: `Tls(ca=..., certificate=..., key=...)`; True trusts
            the authorities that gRPC ships with; None is plain text.
        token: Sent with every call, for servers that require one: a string, or a fast function
            called at the beginning of each call. Only sent to other machines over TLS.

    Raises:
        ConnectError: No server responded; its `reason` says why.
        UnauthenticatedError: The server requires a token, or does not accept this one.
        InvalidRequestError: A certificate cannot be used, or the token would travel in plain text.
    """
    secure = channel.as_tls(tls)
    perseverance = Perseverance(stall_seconds, resume_seconds)
    ways = Ways(
        targets_of(target),
        lambda one: channel.opened(one, max_message_bytes, keepalive_seconds, secure, token),
    )
    with closing(ways):
        for way in ways.all:
            seconds, asked = answer_seconds(timeout, ways.all), GetServerInfoRequest()
            with ways.asking(way, timeout):
                await _result(
                    way.stub.GetServerInfo.future(asked, timeout=seconds, wait_for_ready=True)
                )
            if ways.answered:
                break
        else:
            raise await asyncio.to_thread(connect_error, ways.used.target, timeout, secure)
        service = Service(ways, perseverance)
        try:
            yield service
        finally:
            await service.aclose()


class Service:
    """A connection to an orchestrator, created by `connect`."""

    def __init__(self, ways: Ways, perseverance: Perseverance) -> None:
        self._ways = ways
        self._perseverance = perseverance
        self._relay = SyncRelay(RelayServiceStub(ways.used.channel), ways.used.target)
        self._tables = TablesOfModels(ways)
        self._streams: WeakSet[Stream] = WeakSet()

    async def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Returns what the server offers; raises MotioncastError as every call does."""
        way = self._ways.used
        try:
            call = way.stub.GetServerInfo.future(GetServerInfoRequest(), timeout=timeout)
            info = await _result(call)
        except grpc.RpcError as failure:
            raise from_rpc(failure, way.target, timeout) from failure
        return decode_server_info(info)

    async def codec_tables(
        self, model: str | None = None, *, timeout: float | None = None
    ) -> ModelTables:
        """Returns the codec tables of a model's keypoints, fetched once and verified.

        Args:
            model: Name of the model configuration; None for the server's default.
            timeout: Seconds to wait for a response.

        Raises:
            InvalidRequestError: The model is not served, or has no tables.
            MotioncastError: As every call does.
        """
        return await asyncio.to_thread(self._tables.of, model, timeout)

    def stream(
        self,
        frames: Elements[Pixels | Source],
        *,
        source: Pixels | Sequence[Pixels] | None = None,
        encoding: Encoding = "rgb8",
        latest_only: bool = False,
        timeout: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Returns a session for a video whose keypoints the server detects.

        Args:
            frames: Every frame of the video, (H, W, 3) uint8 RGB of the model's size, or of any
                single size with `frame="auto"` or `"fixed"`: the server then frames them. Frames
                that the pattern forecasts are read but not sent. None stands for a lost frame.
                A plain iterable is read in a worker thread. The call begins with the first
                available frame, so a camera may take its time to start.
            source: Another image to animate (transfer), or up to four of the same subject: each
                frame is made from the one that fits it best. None takes the first frame
                (reconstruction). More can be added later, as elements of the video (`Source`).
            encoding: How images are encoded.
            latest_only: For a live source: frames are taken as they arrive, and if the server or
                the caller does not keep up, only the newest is sent. Skipped frames count as lost,
                so the number of result frames stays the same.
            timeout: Seconds for the whole session, from its first frame on; None for no limit.
            options: Settings of the session, see `StreamOptions`.

        Raises:
            InvalidRequestError: An option or the source is invalid; during iteration, also when a
                frame is.
        """
        session = FramesSession(frames, source, encoding, options)
        return self._open(session, frames, timeout, latest_only)

    def stream_keypoints(
        self,
        keypoints: Elements[Keypoints | FramedKeypoints | Source],
        *,
        source: Pixels | Sequence[Pixels],
        source_keypoints: Keypoints | Sequence[Keypoints] | None = None,
        mode: Mode | None = None,
        encoding: Encoding = "rgb8",
        latest_only: bool = False,
        timeout: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Returns a session for a video whose keypoints were detected on this machine.

        Args:
            keypoints: The keypoints of every frame, (K, 3): x, y in [-1, 1], intensity in [0, 1];
                with their crop if the frames were framed (`FramedKeypoints`). Those of frames that
                the pattern forecasts are not sent and may be None; elsewhere None stands for a
                lost frame.
            source: The image to animate, (H, W, 3) uint8, or up to four, as for `stream`.
            source_keypoints: Its keypoints, (K, 3), or those of each source; None lets the server
                detect them, which is not possible with `keypoint_encoding="coded"`.
            mode: Whether the source is the video's first frame (the default) or another image (the
                default with `relative_motion`).
            encoding: How the source is encoded.
            latest_only: As for `stream`.
            timeout: Seconds for the whole session, from its first frame on; None for no limit.
            options: Settings of the session, see `StreamOptions`.

        Raises:
            InvalidRequestError: As `stream` does.
        """
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
    ) -> Publication:
        """Returns a room in which others watch a video whose keypoints were detected here.

        The room is open from entering the block to leaving it. The server relays what it receives
        and renders no frames.

        Args:
            opening: What receivers are told on joining; `Opening.of` creates it.
            tables: Codec tables of the opening's model; None fetches the server's.
            policy: Which frames are sent; None: those that the opening's pattern selects.
            wait_frames: How many frames a frame may wait to share a packet with later ones.
            coarseness: Coarseness of the codec, 0 to 7.

        Raises on entering:
            InvalidRequestError: The tables do not match the opening, or a number is out of its
                range.
            MotioncastError: As every call does.
        """

        def opened() -> SyncPublication:
            known = self._tables.of(opening.model, None) if tables is None else tables
            return self._relay.publish(opening, known, policy, wait_frames, coarseness)

        return Publication(opened)

    def watch(self, room: str, token: str) -> Watching:
        """Returns a room to watch; it is watched from entering the block to leaving it.

        Args:
            room: The room's name, which the publisher was given.
            token: The token that grants the right to watch, also given to the publisher.
        """
        return Watching(self._relay.watch(room, token))

    async def aclose(self) -> None:
        """Ends the streams that are still running."""
        for stream in list(self._streams):
            await stream.aclose()

    def _open(
        self,
        session: Session[E],
        elements: Elements[E | Source],
        timeout: float | None,
        latest_only: bool,
    ) -> Stream:
        plain: Iterable[Any] = (
            Awaited(elements) if isinstance(elements, AsyncIterable) else elements
        )
        blocking = SyncStream(self._ways, timeout, session, plain, latest_only, self._perseverance)
        stream = Stream(blocking, plain)
        self._streams.add(stream)
        return stream


async def _result(future: Any) -> Any:
    """Returns the result of a `grpc.Future`; cancels it when the wait is cancelled."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
    try:
        await done.wait()
    except asyncio.CancelledError:
        future.cancel()
        await done.wait()
        raise
    return future.result()
