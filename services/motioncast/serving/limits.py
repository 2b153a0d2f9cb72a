"""The layer that limits the size of messages in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from motioncast.serving.call import Call, Proceed
from motioncast.wire.errors import ExhaustedError


@dataclass(frozen=True, slots=True)
class MessageLimit:
    """Refuses messages over the limit with a reason; grpc's own limit would give none.

    Attributes:
        max_message_bytes: Limit for any message, in either direction.
        max_request_bytes: Lower limits for the requests of some methods, by service and method.
    """

    max_message_bytes: int
    max_request_bytes: Mapping[tuple[str, str], int] = field(default_factory=dict)

    async def enforce(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed with messages within the limit.

        Raises:
            ExhaustedError: A received or sent message exceeds it.
        """
        own = self.max_request_bytes.get((call.service, call.method), self.max_message_bytes)
        limit = min(own, self.max_message_bytes)

        async def receive() -> bytes | None:
            message = await call.receive()
            if message is not None:
                _check(message, limit)
            return message

        async def send(message: bytes) -> None:
            _check(message, self.max_message_bytes)
            await call.send(message)

        await proceed(replace(call, receive=receive, send=send))


def _check(message: bytes, limit: int) -> None:
    if len(message) > limit:
        raise ExhaustedError(
            f"message: {len(message)} bytes exceed the limit of {limit}", field="message"
        )
