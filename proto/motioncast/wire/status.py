"""Domain errors as `google.rpc.Status` with details, and back: the only table of both."""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from motioncast.wire.errors import (
    DeadlineError,
    DomainError,
    ExhaustedError,
    ForbiddenError,
    InvalidInputError,
    OutOfOrderError,
    UnauthenticatedError,
    UnavailableError,
    UnknownModelError,
    UnknownRoomError,
)

ERROR_DOMAIN: Final = "motioncast"

# error, status, ErrorInfo.reason (upper snake case, as google.rpc requires)
_TABLE: Final[tuple[tuple[type[DomainError], grpc.StatusCode, str], ...]] = (
    (InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT"),
    (OutOfOrderError, grpc.StatusCode.FAILED_PRECONDITION, "OUT_OF_ORDER"),
    (UnknownModelError, grpc.StatusCode.NOT_FOUND, "UNKNOWN_MODEL"),
    (UnknownRoomError, grpc.StatusCode.NOT_FOUND, "UNKNOWN_ROOM"),
    (ExhaustedError, grpc.StatusCode.RESOURCE_EXHAUSTED, "EXHAUSTED"),
    (UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
    (ForbiddenError, grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN"),
    (UnavailableError, grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"),
    (DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
)


def status_code(error: DomainError) -> grpc.StatusCode:
    """Returns the gRPC status of a domain error; UNKNOWN if it is not in the table."""
    return next(
        (code for kind, code, _ in _TABLE if isinstance(error, kind)), grpc.StatusCode.UNKNOWN
    )


def encode_error(error: DomainError) -> status_pb2.Status:
    """Returns the error as a status with ErrorInfo, BadRequest and RetryInfo where they apply."""
    code = status_code(error)
    reason = next((reason for kind, _, reason in _TABLE if isinstance(error, kind)), "UNKNOWN")
    status = status_pb2.Status(code=code.value[0], message=str(error))
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN))
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=str(error)
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromNanoseconds(round(error.retry_after_seconds * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def decode_error(status: status_pb2.Status) -> DomainError | None:
    """Returns the domain error that a status stands for; None if no error has that status."""
    kinds = {reason: kind for kind, code, reason in _TABLE if code.value[0] == status.code}
    if not kinds:
        return None
    kind = next(iter(kinds.values()))
    field, retry_after = "", None
    for detail in status.details:
        bad_request, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            kind = kinds.get(info.reason, kind)
        elif detail.Unpack(bad_request) and bad_request.field_violations:
            field = bad_request.field_violations[0].field
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
    return kind(status.message, field=field, retry_after_seconds=retry_after)
