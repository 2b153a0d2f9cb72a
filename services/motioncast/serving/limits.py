"""The layer that bounds the size of messages, both ways."""

from __future__ import annotations

from dataclasses import dataclass, replace

from motioncast.serving.call import Call, Proceed
from motioncast.wire.errors import ExhaustedError


@dataclass(frozen=True, slots=True)
class MessageLimit:
    """Refuses messages over the limit with a sentence; grpc's own limit would give none."""

    max_message_bytes: int

    async def enforce(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed with messages within the limit.

        Raises:
            ExhaustedError: When a message, received or to be sent, is over it.
        """

        async def receive() -> bytes | None:
            message = await call.receive()
            if message is not None:
                self._check(message)
            return message

        async def send(message: bytes) -> None:
            self._check(message)
            await call.send(message)

        await proceed(replace(call, receive=receive, send=send))

    def _check(self, message: bytes) -> None:
        if len(message) > self.max_message_bytes:
            raise ExhaustedError(
                f"message: {len(message)} bytes exceed the limit of {self.max_message_bytes}",
                field="message",
            )
