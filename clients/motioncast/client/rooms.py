"""Two ends of a room over asyncio: the blocking ones, each in a thread of its own.

async with service.publish(opening) as published:
    await published.push(index, keypoints)

async with service.watch(room, token) as watching:
    async for frame in watching.frames(models): show(frame.image, frame.origin)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from motioncast.client.live import LiveReceiver, live_frames
from motioncast.client.publication import SyncPublication
from motioncast.client.rendering import ReceiverModels
from motioncast.client.two_ends import Ending, Feedback, Opening, ReceivedFrame, TwoEndsTraffic
from motioncast.client.types import Encoding, Keypoints, Pixels
from motioncast.client.watching import SyncWatching
from motioncast.framing import Crop

T = TypeVar("T")


class _Threaded:
    """What runs in a thread of its own, one call after the other."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)

    async def run(self, work: Callable[[], T]) -> T:
        """Returns work(), which goes on to its end though the caller may be cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def end(self) -> None:
        """Waits for no one."""
        self._thread.shutdown(wait=False)


class Publication:
    """A video that is published; see `SyncPublication`."""

    def __init__(self, opened: Callable[[], SyncPublication]) -> None:
        self._opened = opened
        self._blocking: SyncPublication | None = None
        self._thread = _Threaded("motioncast-publish")

    async def __aenter__(self) -> Self:
        def enter() -> SyncPublication:
            return self._opened().__enter__()

        try:
            self._blocking = await self._thread.run(enter)
        except BaseException:
            self._thread.end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await asyncio.shield(
                self._thread.run(partial(self._entered.__exit__, kind, error, traceback))
            )
        finally:
            self._thread.end()

    @property
    def room(self) -> str:
        """Its name; not secret."""
        return self._entered.room

    @property
    def token(self) -> str:
        """The right to watch. Whoever has it sees the video."""
        return self._entered.token

    @property
    def feedback(self) -> Feedback:
        """What is known of those who watch, by now."""
        return self._entered.feedback

    @property
    def traffic(self) -> TwoEndsTraffic:
        """Bytes sent, and feedback received."""
        return self._entered.traffic

    async def set_source(
        self,
        index: int,
        image: Pixels,
        keypoints: Keypoints,
        encoding: Encoding = "webp",
        quality: int | None = None,
    ) -> int:
        """Sends a source; see `SyncPublication.set_source`."""
        send = partial(self._entered.set_source, index, image, keypoints, encoding, quality)
        return await self._thread.run(send)

    async def push(self, index: int, keypoints: Keypoints, crop: Crop | None = None) -> None:
        """Sends a frame, if the pattern has it; see `SyncPublication.push`."""
        await self._thread.run(partial(self._entered.push, index, keypoints, crop))

    async def end(self, frame_count: int | None = None) -> None:
        """Says that the video is over; see `SyncPublication.end`."""
        await self._thread.run(partial(self._entered.end, frame_count))

    @property
    def _entered(self) -> SyncPublication:
        if self._blocking is None:
            raise RuntimeError("the room has not been opened")
        return self._blocking


class Watching:
    """A room that is watched; see `SyncWatching`."""

    def __init__(self, blocking: SyncWatching) -> None:
        self._blocking = blocking
        self._thread = _Threaded("motioncast-watch")

    async def __aenter__(self) -> Self:
        try:
            await self._thread.run(self._blocking.__enter__)
        except BaseException:
            self._blocking.close()
            self._thread.end()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._blocking.close()
        self._thread.end()

    @property
    def opening(self) -> Opening:
        """What the sender says of the video."""
        return self._blocking.opening

    @property
    def next_index(self) -> int:
        """Frames before it were sent before; 0 for one who sees them all."""
        return self._blocking.next_index

    @property
    def ending(self) -> Ending | None:
        """Why the video is over; None as long as it is not."""
        return self._blocking.ending

    @property
    def traffic(self) -> TwoEndsTraffic:
        """Bytes received, and acknowledgements sent."""
        return self._blocking.traffic

    async def frames(self, models: ReceiverModels) -> AsyncGenerator[ReceivedFrame]:
        """Yields the frames of the room, made here, to its end; see `SyncWatching.frames`."""
        async for frame in self._made(self._blocking.frames(models)):
            yield frame

    async def live(self, receiver: LiveReceiver) -> AsyncGenerator[ReceivedFrame]:
        """Yields the frames of the room when they are due; see `live.live_frames`."""
        async for frame in self._made(live_frames(self._blocking, receiver)):
            yield frame

    async def _made(self, made: Iterator[ReceivedFrame]) -> AsyncGenerator[ReceivedFrame]:
        try:
            while (frame := await self._thread.run(partial(next, made, None))) is not None:
                yield frame
        except asyncio.CancelledError:
            self._blocking.close()
            raise
