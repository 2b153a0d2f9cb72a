"""How a connection is opened and kept: encryption, token, message sizes and keepalive."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

import grpc

from motioncast.client.credentials import Tls, Token, TokenBearer
from motioncast.client.errors import ConnectError, InvalidRequestError, from_rpc
from motioncast.wire.addresses import is_loopback, proxy_options

ANSWER_SECONDS: Final = 5.0  # how long connecting waits for an answer, unless told otherwise
MESSAGE_BYTES: Final = 16 * 2**20  # a raw frame of 2048 x 2048 pixels, and some
KEEPALIVE_SECONDS: Final = 1.0
_KEEPALIVE_ANSWER_SECONDS: Final = 1.5
_PING_ANSWER_SECONDS: Final = 1.0  # beyond that silence, for a PING that went before it


def opened(
    target: str,
    max_message_bytes: int,
    keepalive_seconds: float,
    tls: Tls | None = None,
    token: Token | None = None,
) -> grpc.Channel:
    """Returns a channel to the target, where no server needs to listen yet.

    Args:
        target: An address, `HOST:PORT`.
        max_message_bytes: Largest message sent or received.
        keepalive_seconds: Silence during a call after which the server is asked for a sign of life.
        tls: How it is encrypted; None speaks plain text.
        token: That every call brings.

    Raises:
        ConnectError: The target is empty, which gRPC would take for a connection that fails later.
        InvalidRequestError: A certificate cannot be used, or the token would travel in plain text.
    """
    if not target.strip():
        raise ConnectError("the address is empty: it is HOST:PORT", reason="name")
    options = [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", round(keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", round(_KEEPALIVE_ANSWER_SECONDS * 1000)),
        # gRPC's own PINGs, which measure the bandwidth, as well: while one is out none is sent.
        ("grpc.http2.ping_timeout_ms", round((keepalive_seconds + _PING_ANSWER_SECONDS) * 1000)),
        # A server that comes back is found within a second, and one that hangs is not waited for.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 5_000),  # for one attempt, whatever its name says
        ("grpc.max_reconnect_backoff_ms", 1_000),
        *proxy_options(target),
        ("grpc.primary_user_agent", f"motioncast-python/{version('motioncast')}"),
    ]
    if token is not None and tls is None and not is_loopback(target):
        raise InvalidRequestError.of(
            "token", "goes to another machine over TLS alone: connect(..., tls=True) or Tls(...)"
        )
    bearer = None if token is None else TokenBearer(token)
    channel = (
        grpc.insecure_channel(target, options=options)
        if tls is None
        else grpc.secure_channel(target, tls.credentials(), options=options)
    )
    return channel if bearer is None else grpc.intercept_channel(channel, bearer)


def as_tls(tls: Tls | bool | None) -> Tls | None:
    """Returns what `connect` was given as files; True trusts the authorities gRPC brings."""
    if isinstance(tls, Tls):
        return tls
    return Tls() if tls else None


def refusal(failure: grpc.RpcError, target: str, timeout: float) -> Exception | None:
    """Returns why a first call was not let in; None for another answer, which is one."""
    if isinstance(failure, grpc.Call) and failure.code() is grpc.StatusCode.UNAUTHENTICATED:
        return from_rpc(failure, target, timeout)
    return None


def in_vain(failure: grpc.RpcError) -> bool:
    """Returns whether a first call waited in vain; any other answer to it is one."""
    return isinstance(failure, grpc.Call) and failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
