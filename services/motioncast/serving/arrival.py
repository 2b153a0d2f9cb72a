"""The layer that limits how long the request of a single-request call may take to arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from motioncast.serving.call import Call, Proceed
from motioncast.wire.errors import DeadlineError

_ONE_REQUEST = ("unary", "server_stream")


class Arrival:
    """Receives the complete request before its call is admitted; streams have `Patience` instead.

    Args:
        seconds: Time that a caller may take to send all of it; single bytes do not extend it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def wait(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed with its request.

        Raises:
            DeadlineError: The request did not arrive in time.
        """
        if call.kind not in _ONE_REQUEST:
            await proceed(call)
            return
        try:
            async with asyncio.timeout(self._seconds) as limit:
                request = await call.receive()
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineError(
                f"message: the request did not arrive completely within {self._seconds:g} s"
            ) from None
        await proceed(replace(call, receive=_once(request)))


def _once(request: bytes | None) -> Callable[[], Awaitable[bytes | None]]:
    """Returns a receiver that returns one request, and then None."""
    left = [request]

    async def receive() -> bytes | None:
        return left.pop() if left else None

    return receive
