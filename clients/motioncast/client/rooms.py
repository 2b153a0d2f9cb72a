"""Both ends of a room over asyncio: the blocking ones, each in a thread of its own.

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
    """Runs calls in a thread of its own, one after the other."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)

    async def run(self, work: Callable[[], T]) -> T:
        """Returns work(), which runs to its end even if the caller is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def end(self) -> None:
        """Ends the thread without waiting for it."""
        self._thread.shutdown(wait=False)


class Publication:
    """A video being published; see `SyncPublication`."""

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
        """The room's name; not secret."""
        return self._entered.room

    @property
    def token(self) -> str:
        """Grants the right to watch. Anyone who has it sees the video."""
        return self._entered.token

    @property
    def feedback(self) -> Feedback:
        """What is currently known of the watchers."""
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
        """Sends a frame if the pattern selects it; see `SyncPublication.push`."""
        await self._thread.run(partial(self._entered.push, index, keypoints, crop))

    async def end(self, frame_count: int | None = None) -> None:
        """Announces the end of the video; see `SyncPublication.end`."""
        await self._thread.run(partial(self._entered.end, frame_count))

    @property
    def _entered(self) -> SyncPublication:
        if self._blocking is None:
            raise RuntimeError("the room has not been opened")
        return self._blocking


class Watching:
    """A room being watched; see `SyncWatching`."""

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
        """The sender's description of the video."""
        return self._blocking.opening

    @property
    def next_index(self) -> int:
        """Index of the next frame to be sent when this watcher joined; 0 at the start."""
        return self._blocking.next_index

    @property
    def ending(self) -> Ending | None:
        """Why the video is over; None while it is not."""
        return self._blocking.ending

    @property
    def traffic(self) -> TwoEndsTraffic:
        """Bytes received, and acknowledgements sent."""
        return self._blocking.traffic

    async def frames(self, models: ReceiverModels) -> AsyncGenerator[ReceivedFrame]:
        """Renders and yields the room's frames to its end; see `SyncWatching.frames`."""
        async for frame in self._made(self._blocking.frames(models)):
            yield frame

    async def live(self, receiver: LiveReceiver) -> AsyncGenerator[ReceivedFrame]:
        """Yields the room's frames when they are due; see `live.live_frames`."""
        async for frame in self._made(live_frames(self._blocking, receiver)):
            yield frame

    async def _made(self, made: Iterator[ReceivedFrame]) -> AsyncGenerator[ReceivedFrame]:
        try:
            while (frame := await self._thread.run(partial(next, made, None))) is not None:
                yield frame
        except asyncio.CancelledError:
            self._blocking.close()
            raise
