"""Translates failed calls to the services behind the orchestrator into errors of a session."""

from __future__ import annotations

import logging
from typing import Final, cast

import grpc
import grpc.aio
from grpc_status import rpc_status

from motioncast.serving import Deadline
from motioncast.wire.errors import (
    DeadlineError,
    ExhaustedError,
    ForbiddenError,
    UnauthenticatedError,
    UnavailableError,
)
from motioncast.wire.status import decode_error

RETRY_AFTER_SECONDS: Final = 1.0

_log: Final = logging.getLogger(__name__)


class NoRoomError(UnavailableError):
    """A service has reached its limit of calls; a retry may succeed."""


def translated(
    where: str, error: grpc.aio.AioRpcError, deadline: Deadline, timeout_seconds: float
) -> Exception:
    """Returns the exception to raise for a failed call.

    Args:
        where: The service and its address, for the message.
        error: The failure.
        deadline: The session's deadline.
        timeout_seconds: The time limit of a call, whatever the deadline is.
    """
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return UnavailableError(  # CANCELLED: by the service, while it shuts down
            f"{where} does not answer", retry_after_seconds=RETRY_AFTER_SECONDS
        )
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        if deadline.remaining_seconds() == 0:
            return DeadlineError(f"the deadline passed while waiting for {where}")
        return UnavailableError(
            f"{where} did not answer within {timeout_seconds:g} s",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )
    status = rpc_status.from_call(cast(grpc.Call, error))
    refusal = decode_error(status) if status is not None else None
    if isinstance(refusal, UnauthenticatedError | ForbiddenError):
        _log.error("%s rejected the orchestrator's token: %s", where, refusal)
        return UnavailableError(
            f"{where} rejected the orchestrator's token", retry_after_seconds=RETRY_AFTER_SECONDS
        )
    if isinstance(refusal, ExhaustedError) and refusal.retry_after_seconds is not None:
        return NoRoomError(
            f"{where} is full: {refusal}", retry_after_seconds=refusal.retry_after_seconds
        )
    if refusal is None:
        return RuntimeError(f"{where} failed: {error.code()} {error.details()}")
    # The field belongs to our request to the service, which the client does not see.
    return type(refusal)(
        f"{where} refused: {refusal}", retry_after_seconds=refusal.retry_after_seconds
    )
