"""Domain errors are transferred as `google.rpc.Status` and restored unchanged."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from motioncast.wire import errors
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
from motioncast.wire.status import decode_error, encode_error, status_code

_KINDS = [
    (InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT),
    (OutOfOrderError, grpc.StatusCode.FAILED_PRECONDITION),
    (UnknownModelError, grpc.StatusCode.NOT_FOUND),
    (UnknownRoomError, grpc.StatusCode.NOT_FOUND),
    (ExhaustedError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    (ForbiddenError, grpc.StatusCode.PERMISSION_DENIED),
    (UnavailableError, grpc.StatusCode.UNAVAILABLE),
    (DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED),
]


@pytest.mark.parametrize(("kind", "code"), _KINDS)
def test_every_kind_has_its_status_and_comes_back(
    kind: type[DomainError], code: grpc.StatusCode
) -> None:
    error = kind("x: is wrong", field="x", retry_after_seconds=1.5)
    status = encode_error(error)
    assert status_code(error) == code
    assert status.code == code.value[0]
    assert status.message == "x: is wrong"
    back = decode_error(status)
    assert type(back) is kind
    assert (str(back), back.field, back.retry_after_seconds) == ("x: is wrong", "x", 1.5)


def test_no_kind_of_error_was_forgotten() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, DomainError) and kind is not DomainError
    }
    assert kinds == {kind for kind, _ in _KINDS}


def test_only_the_details_that_apply_are_sent() -> None:
    status = encode_error(UnknownModelError("model: 'x' is not served"))
    info = error_details_pb2.ErrorInfo()
    (detail,) = status.details
    assert detail.Unpack(info)
    assert (info.reason, info.domain) == ("UNKNOWN_MODEL", "motioncast")
    back = decode_error(status)
    assert back is not None
    assert (back.field, back.retry_after_seconds) == ("", None)


def test_the_field_is_told_as_a_violation() -> None:
    status = encode_error(InvalidInputError.of("images[3].data", "the image is empty"))
    request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(request) for detail in status.details)
    (violation,) = request.field_violations
    assert violation.field == "images[3].data"
    assert violation.description == "images[3].data: the image is empty"


def test_a_status_that_is_none_of_ours_is_no_domain_error() -> None:
    status = status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message="internal error")
    assert decode_error(status) is None
