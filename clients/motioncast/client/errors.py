"""What a call may raise, and how a gRPC failure becomes it.

MotioncastError
├── InvalidRequestError      a field is out of range or of the wrong shape (local or remote check)
├── OutOfOrderError          the server saw messages in an order that it does not allow
├── UnknownModelError        no model of that name is served
├── UnknownRoomError         nothing is published under that name and token
├── UnauthenticatedError     the server asks for a token, or this one does not count
├── ForbiddenError           the token does not allow what was asked
├── OverloadedError          too many sessions, or too large a message
├── UnavailableError         the server, or a service behind it, does not answer
│   └── ConnectError         nobody answered while connecting
├── DeadlineExceededError    the `timeout` ran out
├── ServerError              the server failed, or its answer cannot be understood
├── MediaError               an image or video file cannot be read or written
└── MissingExtraError        an optional dependency is not installed

Every message is one sentence for the person who made the call.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status

from motioncast.media.errors import MediaError as MediaError
from motioncast.media.errors import MotioncastError as MotioncastError
from motioncast.wire import errors as wire
from motioncast.wire.status import decode_error

ConnectReason: TypeAlias = Literal[
    "proxy",
    "name",
    "refused",
    "unreachable",
    "http",
    "tls",
    "plain_text",
    "untrusted",
    "wrong_name",
    "expired",
    "client_certificate",
    "silent",
]


class InvalidRequestError(MotioncastError, ValueError):
    """A field is out of range or of the wrong shape.

    Attributes:
        field: Path of the offending argument or field, for example `frames[7]`; may be empty.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field

    @classmethod
    def of(cls, field: str, problem: str) -> InvalidRequestError:
        """Returns the error whose sentence is `field: problem`."""
        return cls(f"{field}: {problem}", field=field)


class OutOfOrderError(MotioncastError):
    """The server saw messages in an order that it does not allow."""


class UnknownModelError(MotioncastError):
    """No model of that name is served."""


class UnknownRoomError(MotioncastError):
    """Nothing is published under that name and token."""


class UnauthenticatedError(MotioncastError):
    """The server asks for a token, or this one does not count."""


class ForbiddenError(MotioncastError):
    """The token does not allow what was asked."""


class OverloadedError(MotioncastError):
    """Too many sessions, or too large a message.

    Attributes:
        retry_after_seconds: After what time a retry may succeed; None when it will not.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(MotioncastError):
    """The server, or a service behind it, does not answer."""


class ConnectError(UnavailableError):
    """Nobody answered while connecting.

    Attributes:
        reason: What is in the way: "proxy" (one that the environment names), "name" (it does not
            resolve), "refused" (nothing listens on that port), "unreachable" (no connection),
            "http" (the port speaks HTTP/1), "tls" (it speaks TLS, and the client does not),
            "plain_text" (the other way round), "untrusted" (its certificate is not signed by an
            authority that is trusted), "wrong_name" (it is another's), "expired" (it counts no
            more, or not yet), "client_certificate" (the server asks for one), "silent" (nothing
            more is known).
    """

    def __init__(self, message: str, *, reason: ConnectReason = "silent") -> None:
        super().__init__(message)
        self.reason: ConnectReason = reason


class DeadlineExceededError(MotioncastError, TimeoutError):
    """The `timeout` ran out."""


class ServerError(MotioncastError):
    """The server failed, or its answer cannot be understood.

    Attributes:
        code: Name of the gRPC status, for example `INTERNAL`; empty for an answer that cannot be
            understood.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class MissingExtraError(MotioncastError, ImportError):
    """An optional dependency is not installed."""


_PLAIN: Final[dict[type[wire.DomainError], type[MotioncastError]]] = {
    wire.OutOfOrderError: OutOfOrderError,
    wire.UnknownModelError: UnknownModelError,
    wire.UnknownRoomError: UnknownRoomError,
    wire.UnauthenticatedError: UnauthenticatedError,
    wire.ForbiddenError: ForbiddenError,
    wire.UnavailableError: UnavailableError,
    wire.DeadlineError: DeadlineExceededError,
}


def from_domain(error: wire.DomainError) -> MotioncastError:
    """Returns what a caller catches for an error in the domain's words."""
    if isinstance(error, wire.InvalidInputError):
        return InvalidRequestError(str(error), field=error.field)
    if isinstance(error, wire.ExhaustedError):
        return OverloadedError(str(error), retry_after_seconds=error.retry_after_seconds)
    return _PLAIN[type(error)](str(error))


def from_rpc(failure: Any, target: str, timeout: float | None) -> MotioncastError:
    """Returns what a caller catches for a failed call.

    Args:
        failure: A `grpc.aio.AioRpcError`, or the `grpc.RpcError` of a blocking call.
        target: Where the call went.
        timeout: The seconds it was allowed.
    """
    status = rpc_status.from_call(failure)
    if status is None:  # the transport's words, not the server's
        status = _transport_status(failure.code(), failure.details() or "", target, timeout)
    domain = decode_error(status)
    if domain is not None:
        return from_domain(domain)
    return ServerError(status.message, code=failure.code().name)


def _transport_status(
    code: grpc.StatusCode, details: str, target: str, timeout: float | None
) -> status_pb2.Status:
    message = f"{target}: {details}" if details else f"{target}: {code.name}"
    if code is grpc.StatusCode.UNAVAILABLE:
        message = f"{target} does not answer: {details}"
    elif code is grpc.StatusCode.CANCELLED and details in ("", code.name):
        code = grpc.StatusCode.UNAVAILABLE  # gRPC's own: the call outlived a server that stops
        message = f"{target} ended the call without a word: it may be stopping"
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED and timeout is not None:
        message = f"{target}: not finished within {timeout:g} s"
    elif code is grpc.StatusCode.UNIMPLEMENTED:
        message = f"{target} serves no MotionTransferService: is it the orchestrator's address?"
    return status_pb2.Status(code=code.value[0], message=message)
