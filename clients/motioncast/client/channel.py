"""How a connection is kept: message sizes and keepalive."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

ANSWER_SECONDS: Final = 5.0  # how long connecting waits for an answer, unless told otherwise
MESSAGE_BYTES: Final = 16 * 2**20  # a raw frame of 2048 x 2048 pixels, and some
KEEPALIVE_SECONDS: Final = 60.0
_KEEPALIVE_ANSWER_SECONDS: Final = 20.0


def channel_arguments(
    max_message_bytes: int, keepalive_seconds: float
) -> list[tuple[str, int | str]]:
    """Returns gRPC's channel arguments.

    Args:
        max_message_bytes: Largest message sent or received.
        keepalive_seconds: Time without traffic during a call after which the server is asked
            whether it is still there.
    """
    return [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", round(keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", round(_KEEPALIVE_ANSWER_SECONDS * 1000)),
        ("grpc.primary_user_agent", f"motioncast-python/{version('motioncast')}"),
    ]


def no_answer(target: str, timeout: float) -> str:
    """Returns the sentence for a target that nobody answered at."""
    return f"nobody answers at {target} (waited {timeout:g} s)"
