"""One session over asyncio: a task sends while the caller's loop reads.

Neither side runs ahead: messages are read from the call only when the caller asks for a frame, and
HTTP/2 flow control then holds back the server, which holds back the task that sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import grpc

from motioncast.client.errors import from_rpc
from motioncast.client.session import E, Session
from motioncast.client.types import EffectiveConfig, Frame, Report
from motioncast.v1.motion_transfer_pb2 import StreamRequest, StreamResponse

if TYPE_CHECKING:  # the name exists in the stubs only
    from motioncast.v1.motion_transfer_pb2_grpc import MotionTransferServiceAsyncStub

T = TypeVar("T")
Elements: TypeAlias = AsyncIterable[T | None] | Iterable[T | None]
Call: TypeAlias = "grpc.aio.StreamStreamCall[StreamRequest, StreamResponse]"


class Stream:
    """The frames of a session, to be read once: `async for frame in stream`.

    Nothing is sent before the first frame is asked for. Leaving the loop early cancels the session;
    `aclose` does the same and waits until nothing of it runs any more.
    """

    def __init__(
        self,
        stub: MotionTransferServiceAsyncStub,
        target: str,
        timeout: float | None,
        session: Session[Any],
        elements: Elements[Any],
    ) -> None:
        self._stub = stub
        self._target = target
        self._timeout = timeout
        self._session = session
        self._elements = elements
        self._call: Call | None = None
        self._sender: asyncio.Task[None] | None = None
        self._failure: Exception | None = None  # on this side; it explains why the call ended

    @property
    def config(self) -> EffectiveConfig:
        """The effective configuration; RuntimeError before the first frame has come."""
        return self._session.config

    @property
    def report(self) -> Report:
        """What happened in the session; RuntimeError before the last frame has come."""
        return self._session.report

    async def __aiter__(self) -> AsyncGenerator[Frame]:
        if self._call is not None or self._failure is not None:
            raise RuntimeError("a stream can be read once")
        self._call = call = self._stub.Stream(timeout=self._timeout)
        self._sender = asyncio.create_task(self._send(call))
        try:
            while (response := await self._read(call)) is not None:
                frame = self._session.receive(response)
                if frame is not None:
                    yield frame
            self._session.finish()
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Ends the session wherever it is; the element of the video being read is waited for."""
        self._failure = self._failure or RuntimeError("the stream was closed")
        if self._call is not None:
            self._call.cancel()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait([self._sender])

    async def _read(self, call: Call) -> StreamResponse | None:
        try:
            response = await call.read()
        except grpc.aio.AioRpcError as failure:
            raise self._failure or from_rpc(failure, self._target, self._timeout) from failure
        except asyncio.CancelledError:
            if self._failure is not None:
                raise self._failure from None
            raise
        return response if isinstance(response, StreamResponse) else None  # else EOF

    async def _send(self, call: Call) -> None:
        try:
            async for messages in _each(self._session, self._elements):
                for message in messages:
                    await call.write(message)
            self._session.end()
            await call.done_writing()
        except Exception as error:
            if not call.done():  # else the call is what failed, and whoever reads it is told why
                self._failure = error
                call.cancel()


async def _each(session: Session[E], elements: Elements[E]) -> AsyncGenerator[list[StreamRequest]]:
    """Yields the messages of each element."""
    if isinstance(elements, AsyncIterable):
        async for element in elements:
            yield session.send(element)
            if session.complete:
                return
    else:
        iterator = iter(elements)
        while not session.complete:
            messages = await _in_thread(lambda: session.send_next(iterator))
            if messages is None:
                return
            yield messages


async def _in_thread(work: Callable[[], T]) -> T:
    """Returns work() from a worker thread; when cancelled, lets go only once that has ended.

    Whatever the caller's iterator reads from may then be closed safely.
    """
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
