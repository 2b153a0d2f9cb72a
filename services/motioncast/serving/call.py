"""A call as the kernel's layers see it: serialised messages in, serialised messages out.

grpc has four kinds of handlers. `Pipeline` maps each of them to one shape, so that every layer
(metrics, access log, errors, admission, message limit) is written once:

    receive() -> layers -> deserialise -> servicer -> serialise -> layers -> send()
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import grpc
import grpc.aio

from motioncast.wire.errors import DomainError

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # generic in the stubs only


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        service: Full name, `motioncast.v1.KeypointService`.
        method: Short name, `Detect`.
        kind: `unary`, `client_stream`, `server_stream` or `bidi_stream`.
        receive: Returns the next message, None after the client's last one.
        send: Sends a message.
        peer: The caller: a token's subject, or an address in gRPC's format; kept here because the
            context loses it when the caller disconnects.
        refusal: Why the call must be refused; None when it may be served.
    """

    service: str
    method: str
    kind: str
    context: Context
    receive: Callable[[], Awaitable[bytes | None]]
    send: Callable[[bytes], Awaitable[None]]
    peer: str = ""
    refusal: DomainError | None = None


Proceed = Callable[[Call], Awaitable[None]]


class Layer(Protocol):
    """A step around a call: does its part and lets the call proceed, possibly modified."""

    async def __call__(self, call: Call, proceed: Proceed) -> None: ...


@contextmanager
def watching(context: Context, ended: Callable[[grpc.StatusCode, float], None]) -> Iterator[None]:
    """Runs a call's handler in its block; reports the status and duration in seconds to `ended`."""
    started, error = time.perf_counter(), None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        ended(outcome(context, error), time.perf_counter() - started)


def outcome(context: Context, error: BaseException | None) -> grpc.StatusCode:
    """Returns the status that a call ends with, given its handler's exception or None."""
    if error is None or isinstance(error, grpc.aio.AbortError):
        value = context.code()  # a plain number in grpc.aio, despite its stubs
        return next(code for code in grpc.StatusCode if code.value[0] == _number(value))
    if isinstance(error, Exception):
        return grpc.StatusCode.INTERNAL
    return grpc.StatusCode.CANCELLED  # client gone, deadline passed, or end of the drain's grace


def _number(code: grpc.StatusCode | int | None) -> int:
    if isinstance(code, grpc.StatusCode):
        return int(code.value[0])
    return code or 0
