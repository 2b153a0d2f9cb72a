"""How a connection is opened and kept alive: encryption, token, message sizes and keepalive."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

import grpc

from motioncast.client.credentials import Tls, Token, TokenBearer
from motioncast.client.errors import ConnectError, InvalidRequestError, from_rpc
from motioncast.wire.addresses import is_loopback, proxy_options
from motioncast.wire.limits import READ_AHEAD_BYTES

ANSWER_SECONDS: Final = 5.0  # how long connecting waits for a response, by default
MESSAGE_BYTES: Final = 16 * 2**20  # a raw frame of 2048 x 2048 pixels, with room to spare
KEEPALIVE_SECONDS: Final = 1.0
_KEEPALIVE_ANSWER_SECONDS: Final = 1.5
_PING_ANSWER_SECONDS: Final = 1.0  # on top of the keepalive silence, for an earlier PING


def opened(
    target: str,
    max_message_bytes: int,
    keepalive_seconds: float,
    tls: Tls | None = None,
    token: Token | None = None,
) -> grpc.Channel:
    """Returns a channel to the target, which need not be listening yet.

    Args:
        target: An address, `HOST:PORT`.
        max_message_bytes: Largest message sent or received.
        keepalive_seconds: Silence during a call after which the server is pinged.
        tls: How the connection is encrypted; None for plain text.
        token: Sent with every call.

    Raises:
        ConnectError: The target is empty, which gRPC would only report once a call fails.
        InvalidRequestError: A certificate cannot be used, or the token would travel in plain text.
    """
    if not target.strip():
        raise ConnectError("the address is empty (expected HOST:PORT)", reason="name")
    options = [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", round(keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", round(_KEEPALIVE_ANSWER_SECONDS * 1000)),
        # While another PING is in flight no keepalive PING is sent, so it has a limit as well.
        ("grpc.http2.ping_timeout_ms", round((keepalive_seconds + _PING_ANSWER_SECONDS) * 1000)),
        # A fixed window instead of PINGs that measure the bandwidth: with coded keypoints those
        # took more bytes than the packets, and while one was in flight no keepalive was sent.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", READ_AHEAD_BYTES),
        # A server that comes back is found within a second; one that hangs does not block for long.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 5_000),  # the limit of one attempt, despite its name
        ("grpc.max_reconnect_backoff_ms", 1_000),
        *proxy_options(target),
        ("grpc.primary_user_agent", f"motioncast-python/{version('motioncast')}"),
    ]
    if token is not None and tls is None and not is_loopback(target):
        raise InvalidRequestError.of(
            "token", "is sent to other machines only over TLS: connect(..., tls=True) or Tls(...)"
        )
    bearer = None if token is None else TokenBearer(token)
    channel = (
        grpc.insecure_channel(target, options=options)
        if tls is None
        else grpc.secure_channel(target, tls.credentials(), options=options)
    )
    return channel if bearer is None else grpc.intercept_channel(channel, bearer)


def as_tls(tls: Tls | bool | None) -> Tls | None:
    """Returns the TLS settings given to `connect`; True trusts the authorities gRPC ships with."""
    if isinstance(tls, Tls):
        return tls
    return Tls() if tls else None


def refusal(failure: grpc.RpcError, target: str, timeout: float) -> Exception | None:
    """Returns the error if a first call was not authenticated; None for any other failure."""
    if isinstance(failure, grpc.Call) and failure.code() is grpc.StatusCode.UNAUTHENTICATED:
        return from_rpc(failure, target, timeout)
    return None


def in_vain(failure: grpc.RpcError) -> bool:
    """Returns whether a first call timed out; any other failure is a response from the server."""
    return isinstance(failure, grpc.Call) and failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
