"""How a connection is kept: message sizes and keepalive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

import grpc

from motioncast.client.errors import ConnectError

ANSWER_SECONDS: Final = 5.0  # how long connecting waits for an answer, unless told otherwise
MESSAGE_BYTES: Final = 16 * 2**20  # a raw frame of 2048 x 2048 pixels, and some
KEEPALIVE_SECONDS: Final = 60.0
_KEEPALIVE_ANSWER_SECONDS: Final = 20.0


def opened(target: str, max_message_bytes: int, keepalive_seconds: float) -> grpc.Channel:
    """Returns a channel to the target, which nobody need answer at yet.

    Args:
        target: An address, `HOST:PORT`.
        max_message_bytes: Largest message sent or received.
        keepalive_seconds: Silence during a call after which the server is asked for a sign of life.
    """
    options = [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", round(keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", round(_KEEPALIVE_ANSWER_SECONDS * 1000)),
        ("grpc.primary_user_agent", f"motioncast-python/{version('motioncast')}"),
    ]
    return grpc.insecure_channel(target, options=options)


@contextmanager
def answering(target: str, timeout: float) -> Iterator[None]:
    """Turns a first call that waited in vain into a ConnectError; any other answer is one."""
    try:
        yield
    except grpc.RpcError as failure:
        code = failure.code() if isinstance(failure, grpc.Call) else None
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise ConnectError(f"nobody answers at {target} (waited {timeout:g} s)") from None
