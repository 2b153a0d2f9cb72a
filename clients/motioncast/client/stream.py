"""One session over asyncio: the blocking one, read in a thread of its own.

gRPC's asyncio stack would need no thread, but there a call that ends while a message is being
written loses its status (grpc#36066), and with it the error message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from motioncast.client.awaited import Awaited
from motioncast.client.options import EffectiveConfig
from motioncast.client.sync_stream import SyncStream
from motioncast.client.types import DatagramTraffic, Frame, Report

T = TypeVar("T")


class Stream:
    """The frames of a session, to be read once: `async for frame in stream`.

    Nothing is sent before the first frame is requested. Leaving the loop early cancels the session;
    `aclose` does the same and waits until nothing of it is running.
    """

    def __init__(self, blocking: SyncStream, elements: Iterable[Any]) -> None:
        self._blocking = blocking
        self._elements = elements  # what the blocking session reads
        self._frames: Generator[Frame] | None = None
        self._thread = ThreadPoolExecutor(1, "motioncast-stream")
        self._closing = asyncio.Lock()
        self._closed = False

    @property
    def config(self) -> EffectiveConfig:
        """The effective configuration; RuntimeError before the first frame has arrived."""
        return self._blocking.config

    @property
    def report(self) -> Report:
        """The session's report; RuntimeError before the last frame has arrived."""
        return self._blocking.report

    @property
    def datagrams(self) -> DatagramTraffic | None:
        """How packets have travelled so far; None if the session did not ask for datagrams."""
        return self._blocking.datagrams

    @property
    def resumes(self) -> int:
        """How often the session has resumed, at another server or at the same one."""
        return self._blocking.resumes

    async def __aiter__(self) -> AsyncGenerator[Frame]:
        if self._frames is not None or self._closed:
            raise RuntimeError("a stream can be read once")
        self._frames = iter(self._blocking)
        try:
            while (frame := await self._run(partial(next, self._frames, None))) is not None:
                yield frame
                if self._closed:
                    raise RuntimeError("the stream was closed")
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Ends the session at any point; waits for the video element that is being read."""
        self._interrupt()
        async with self._closing:
            if not self._closed:
                await self._run(self._close)
                self._thread.shutdown()
                self._closed = True

    def _close(self) -> None:
        if self._frames is not None:
            self._frames.close()
        self._blocking.close()

    async def _run(self, work: Callable[[], T]) -> T:
        """Returns work() from the thread; when cancelled, interrupts it and waits for its end."""
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        future.add_done_callback(_look_at)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._interrupt()
            await asyncio.wait([future])
            raise

    def _interrupt(self) -> None:
        self._blocking.cancel()
        if isinstance(self._elements, Awaited):
            self._elements.interrupt()


def _look_at(future: asyncio.Future[Any]) -> None:
    # Keeps asyncio from logging a failure that occurs after its caller was cancelled.
    if not future.cancelled():
        future.exception()
