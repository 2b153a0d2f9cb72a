"""Translates a model server's status into domain errors.

A server's own messages are only logged: Triton's contain file names and tracebacks. Only messages
of servers of this project, which are marked with its domain, are passed on.
"""

from __future__ import annotations

import logging
from typing import Final, cast

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from motioncast.wire.errors import (
    DeadlineError,
    DomainError,
    ExhaustedError,
    ForbiddenError,
    InvalidInputError,
    UnauthenticatedError,
    UnavailableError,
    UnknownModelError,
)
from motioncast.wire.status import ERROR_DOMAIN, decode_error

RETRY_AFTER_SECONDS: Final = 1.0
SECRET_VARIABLE: Final = "MOTIONCAST_TRITON_SECRET"  # environment variable, for command lines
_RESTRICTED: Final = "this protocol is restricted"  # Triton's words

_log = logging.getLogger(__name__)


def translate(
    error: grpc.aio.AioRpcError, address: str, model: str, *, known: bool = False
) -> Exception:
    """Returns the exception to raise for a failed call about a model.

    Args:
        error: The failure.
        address: Address of the server.
        model: Name of the model; "" when the call was about all models.
        known: Whether the server had the model before: Triton lacks a model for a moment while it
            reloads it after the model's process died.

    Any unforeseen failure is a RuntimeError, whose text is for the log.
    """
    ours = _own_sentence(error)
    if isinstance(ours, UnauthenticatedError | ForbiddenError):  # about our token, not our caller's
        _log.error("the model server at %s rejected this service's token: %s", address, ours)
        return UnavailableError(
            f"the model server at {address} rejected this service's token",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )
    if ours is not None:
        return ours
    code, server = error.code(), f"the model server at {address}"
    _log.debug("%s answered %s for %s: %s", server, code.name, model, error.details())
    if _RESTRICTED in (error.details() or "").lower():
        return UnknownModelError(
            f"{server} requires its secret for some operations ({SECRET_VARIABLE})"
        )
    if _is_passing(error):
        problem = "does not answer" + (f" or cannot run {model} at the moment" if model else "")
        return UnavailableError(f"{server} {problem}", retry_after_seconds=RETRY_AFTER_SECONDS)
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT:
            _log.warning("%s refused the inputs of %s: %s", server, model, error.details())
            return InvalidInputError.of("inputs", f"{server} refused the inputs of {model}")
        case grpc.StatusCode.NOT_FOUND if known:
            return UnavailableError(
                f"{server} is not serving {model} at the moment",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        case grpc.StatusCode.NOT_FOUND:
            return UnknownModelError(f"model: {model} is not served by {server}", field="model")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return ExhaustedError(
                f"message: the inputs or outputs of {model} exceed the message size limit of "
                f"{server} or of this service",
                field="message",
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineError(f"deadline: passed while {server} ran {model}")
        case grpc.StatusCode.UNIMPLEMENTED:
            return UnavailableError(f"{server} does not speak KServe v2 with Triton's extensions")
    return RuntimeError(f"{server} failed on {model}: {code.name} {error.details()}")


def _own_sentence(error: grpc.aio.AioRpcError) -> DomainError | None:
    """Returns the domain error of a server of this project; None for other servers."""
    try:
        status = rpc_status.from_call(cast(grpc.Call, error))
    except ValueError:
        return None  # details that contradict the status
    if status is None:
        return None
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
            return decode_error(status)
    return None


def _is_passing(error: grpc.aio.AioRpcError) -> bool:
    """Returns whether retrying the run may succeed."""
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return True  # CANCELLED: by the server, while it shuts down
    details = (error.details() or "").lower()
    if error.code() is grpc.StatusCode.NOT_FOUND:  # Triton, between unloading and loading a model
        return "has no available versions" in details
    # Triton's Python backend, while it restarts the process of a model that died.
    return error.code() is grpc.StatusCode.INTERNAL and "stub process" in details
