"""The asyncio client.

async with connect("localhost:50050") as service:
    async for frame in service.stream(frames, observed=5, predicted=5):
        show(frame.image, frame.origin)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack
from weakref import WeakSet

import grpc

from motioncast.client import channel
from motioncast.client.decode import decode_server_info
from motioncast.client.errors import ConnectError, from_rpc
from motioncast.client.options import StreamOptions
from motioncast.client.session import E, FramesSession, KeypointsSession, Session
from motioncast.client.stream import Elements, Stream
from motioncast.client.types import Encoding, Keypoints, Mode, Pixels, ServerInfo
from motioncast.v1.motion_transfer_pb2 import GetServerInfoRequest
from motioncast.v1.motion_transfer_pb2_grpc import MotionTransferServiceStub


@asynccontextmanager
async def connect(
    target: str,
    *,
    timeout: float = channel.ANSWER_SECONDS,
    max_message_bytes: int = channel.MESSAGE_BYTES,
    keepalive_seconds: float = channel.KEEPALIVE_SECONDS,
) -> AsyncIterator[Service]:
    """Connects to an orchestrator; leaving the block ends what is still running.

    Args:
        target: Its address, `HOST:PORT`.
        timeout: Seconds to wait for an answer; until then connecting is tried again and again.
        max_message_bytes: Largest message sent or received.
        keepalive_seconds: Silence during a call after which the server is asked for a sign of life.

    Raises:
        ConnectError: Nobody answered.
    """
    options = channel.channel_arguments(max_message_bytes, keepalive_seconds)
    async with grpc.aio.insecure_channel(target, options=options) as connection:
        try:
            await asyncio.wait_for(connection.channel_ready(), timeout)
        except TimeoutError:
            raise ConnectError(channel.no_answer(target, timeout)) from None
        service = Service(connection, target)
        try:
            yield service
        finally:
            await service.aclose()


class Service:
    """A connection to an orchestrator; `connect` makes it."""

    def __init__(self, connection: grpc.aio.Channel, target: str) -> None:
        self._stub = MotionTransferServiceStub(connection)
        self._target = target
        self._streams: WeakSet[Stream] = WeakSet()

    async def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Returns what the server serves; raises MotioncastError as every call does."""
        try:
            info = await self._stub.GetServerInfo(GetServerInfoRequest(), timeout=timeout)
        except grpc.aio.AioRpcError as failure:
            raise from_rpc(failure, self._target, timeout) from failure
        return decode_server_info(info)

    def stream(
        self,
        frames: Elements[Pixels],
        *,
        source: Pixels | None = None,
        encoding: Encoding = "rgb8",
        timeout: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Returns the session of a video whose frames the server detects keypoints in.

        Args:
            frames: Every frame of the video, (H, W, 3) uint8 RGB of the model's size. Those that
                the pattern forecasts are read but not sent. None stands for a frame that is lost.
                A plain iterable is read in a worker thread.
            source: Another image to animate (transfer); None takes the first frame
                (reconstruction).
            encoding: How images are sent.
            timeout: Seconds for the whole session; None for no limit.
            options: How the session runs, see `StreamOptions`.

        Raises:
            InvalidRequestError: An option or the source is not what it should be; while iterating
                also when a frame is not.
        """
        session = FramesSession(frames, source, encoding, options)
        return self._open(session, frames, timeout)

    def stream_keypoints(
        self,
        keypoints: Elements[Keypoints],
        *,
        source: Pixels,
        source_keypoints: Keypoints | None = None,
        mode: Mode | None = None,
        encoding: Encoding = "rgb8",
        timeout: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Returns the session of a video whose keypoints were detected here.

        Args:
            keypoints: The keypoints of every frame, (K, 3): x, y in [-1, 1], intensity in [0, 1].
                Those of frames that the pattern forecasts are not sent and may be None, which
                otherwise stands for a frame that is lost.
            source: The image to animate, (H, W, 3) uint8.
            source_keypoints: Its keypoints, (K, 3); None lets the server detect them.
            mode: What the source is: the video's first frame (the default), or another image
                (the default with `relative_motion`).
            encoding: How the source is sent.
            timeout: Seconds for the whole session; None for no limit.
            options: How the session runs, see `StreamOptions`.

        Raises:
            InvalidRequestError: As `stream` does.
        """
        session = KeypointsSession(keypoints, source, source_keypoints, mode, encoding, options)
        return self._open(session, keypoints, timeout)

    async def aclose(self) -> None:
        """Ends the streams that are still running."""
        for stream in list(self._streams):
            await stream.aclose()

    def _open(self, session: Session[E], elements: Elements[E], timeout: float | None) -> Stream:
        stream = Stream(self._stub, self._target, timeout, session, elements)
        self._streams.add(stream)
        return stream
