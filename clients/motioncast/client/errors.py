"""The exceptions a call may raise, and their mapping from gRPC failures.

MotioncastError
├── InvalidRequestError      a field is out of range or of the wrong shape (local or remote check)
├── OutOfOrderError          the server saw messages in a forbidden order
├── UnknownModelError        no model of that name is served
├── UnknownRoomError         nothing is published under that name and token
├── UnauthenticatedError     the server requires a token, or does not accept this one
├── ForbiddenError           the token does not permit the request
├── OverloadedError          too many sessions, or too large a message
├── UnavailableError         the server, or a service behind it, does not respond
│   └── ConnectError         no server responded while connecting
├── DeadlineExceededError    the `timeout` expired
├── ServerError              the server failed, or its response makes no sense to the client
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
    """The server saw messages in a forbidden order."""


class UnknownModelError(MotioncastError):
    """No model of that name is served."""


class UnknownRoomError(MotioncastError):
    """Nothing is published under that name and token."""


class UnauthenticatedError(MotioncastError):
    """The server requires a token, or does not accept this one."""


class ForbiddenError(MotioncastError):
    """The token does not permit the request."""


class OverloadedError(MotioncastError):
    """Too many sessions, or too large a message.

    Attributes:
        retry_after_seconds: When a retry may succeed; None if retrying does not help.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(MotioncastError):
    """The server, or a service behind it, does not respond."""


class ConnectError(UnavailableError):
    """No server responded while connecting.

    Attributes:
        reason: What went wrong: "proxy" (a proxy set in the environment), "name" (it does not
            resolve), "refused" (nothing listens on that port), "unreachable" (no connection),
            "http" (the port speaks HTTP/1), "tls" (it speaks TLS, and the client does not),
            "plain_text" (the other way round), "untrusted" (the certificate is not signed by a
            trusted authority), "wrong_name" (the certificate is for another name), "expired" (it
            has expired or is not valid yet), "client_certificate" (the server requires one),
            "silent" (nothing more is known).
    """

    def __init__(self, message: str, *, reason: ConnectReason = "silent") -> None:
        super().__init__(message)
        self.reason: ConnectReason = reason


class DeadlineExceededError(MotioncastError, TimeoutError):
    """The `timeout` expired."""


class ServerError(MotioncastError):
    """The server failed, or its response makes no sense to the client.

    Attributes:
        code: Name of the gRPC status, for example `INTERNAL`; empty for a response that makes no
            sense.
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
    """Returns the exception for callers that corresponds to a domain error."""
    if isinstance(error, wire.InvalidInputError):
        return InvalidRequestError(str(error), field=error.field)
    if isinstance(error, wire.ExhaustedError):
        return OverloadedError(str(error), retry_after_seconds=error.retry_after_seconds)
    return _PLAIN[type(error)](str(error))


def from_rpc(failure: Any, target: str, timeout: float | None) -> MotioncastError:
    """Returns the exception for callers that corresponds to a failed call.

    Args:
        failure: A `grpc.aio.AioRpcError`, or the `grpc.RpcError` of a blocking call.
        target: Address of the server.
        timeout: The call's timeout in seconds.
    """
    status = rpc_status.from_call(failure)
    if status is None:  # the failure comes from the transport, not from the server
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
        code = grpc.StatusCode.UNAVAILABLE  # gRPC's own: the server stopped during the call
        message = f"{target} closed the call without a status: it may be shutting down"
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED and timeout is not None:
        message = f"{target}: not finished within {timeout:g} s"
    elif code is grpc.StatusCode.UNIMPLEMENTED:
        message = (
            f"{target} does not serve MotionTransferService: is it the orchestrator's address?"
        )
    return status_pb2.Status(code=code.value[0], message=message)
