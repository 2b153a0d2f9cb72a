"""The layer that ends idle streams, to free their places for others.

listening, nothing owed       the client has to send something within `silence_seconds`
working, or messages owed     there has to be progress within `stall_seconds`; that the client
                              reads a message is enough
"""

from __future__ import annotations

import asyncio
import math
from contextvars import ContextVar
from dataclasses import replace
from typing import Final

from motioncast.serving.call import Call, Proceed
from motioncast.serving.places import RETRY_AFTER_SECONDS
from motioncast.wire.errors import DeadlineError, ExhaustedError

_MOST_ADDED_SECONDS: Final = 60.0
_STREAMS: Final = ("bidi_stream", "client_stream")


class Patience:
    """How long one stream may be idle; the servicer reports what it owes.

    Args:
        silence_seconds: How long the client may send nothing while nothing is owed to it.
        stall_seconds: How long there may be no progress while something is owed.
    """

    def __init__(self, silence_seconds: float, stall_seconds: float) -> None:
        self._silence_seconds = silence_seconds
        self._stall_seconds = stall_seconds
        self._owed = 0
        self._listens = False
        self._gives_way = False
        self._moved = 0.0  # time of the last progress
        self._limit: asyncio.Timeout | None = None  # while the stream is served

    def owe(self, messages: int) -> None:
        """Records that the server is about to produce so many messages."""
        self._owed += messages
        self.progress()

    def settle(self, messages: int) -> None:
        """Records that so many of the owed messages have been produced."""
        self._owed -= messages
        self.progress()

    def wait_longer(self, seconds: float) -> None:
        """Extends the allowed silence, by up to a minute, for a client that announced it."""
        self._silence_seconds += min(max(0.0, seconds), _MOST_ADDED_SECONDS)
        self.progress()

    @property
    def silent_since(self) -> float | None:
        """When it began to wait for the client, on the loop's clock; None unless it waits."""
        return self._moved if self._waits else None

    def give_way(self) -> None:
        """Ends the stream to make room for another."""
        self._gives_way = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    def progress(self) -> None:
        """Records progress."""
        if self._limit is not None and not self._limit.expired() and not self._gives_way:
            self._moved = asyncio.get_running_loop().time()
            self._limit.reschedule(self._moved + self._seconds)

    async def keep(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed for as long as there is progress.

        Raises:
            DeadlineError: There was none for too long.
            ExhaustedError: It had to make room for another.
        """

        async def receive() -> bytes | None:
            self._listens = True
            self.progress()
            message = await call.receive()
            self._listens = False
            self.progress()
            return message

        async def send(message: bytes) -> None:
            await call.send(message)
            self.progress()

        try:
            async with asyncio.timeout(self._seconds) as limit:
                self._limit = limit
                try:
                    await proceed(replace(call, receive=receive, send=send))
                finally:
                    self._limit = None
        except TimeoutError:
            if not limit.expired():
                raise
            if self._gives_way:
                raise ExhaustedError(
                    "stream: ended to make room for another, because the client was silent",
                    retry_after_seconds=RETRY_AFTER_SECONDS,
                ) from None
            what = "sent nothing" if self._waits else "read none of its pending messages"
            raise DeadlineError(f"stream: the client {what} for {self._seconds:g} s") from None

    @property
    def _seconds(self) -> float:
        return self._silence_seconds if self._waits else self._stall_seconds

    @property
    def _waits(self) -> bool:
        """Whether the client is expected to send something."""
        return self._listens and self._owed <= 0


_PATIENCE: Final[ContextVar[Patience | None]] = ContextVar("motioncast_patience", default=None)


def patience() -> Patience:
    """Returns the current stream's patience; one without limits when there is no stream."""
    return _PATIENCE.get() or Patience(math.inf, math.inf)


class PatienceLayer:
    """Gives every stream its own `Patience`, with the same arguments."""

    def __init__(self, silence_seconds: float, stall_seconds: float) -> None:
        self._silence_seconds = silence_seconds
        self._stall_seconds = stall_seconds

    async def keep(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed; streams of gRPC's own services may be idle without limit."""
        if call.kind not in _STREAMS or call.service.startswith("grpc."):
            await proceed(call)
            return
        own = Patience(self._silence_seconds, self._stall_seconds)
        token = _PATIENCE.set(own)
        try:
            await own.keep(call, proceed)
        finally:
            _PATIENCE.reset(token)
