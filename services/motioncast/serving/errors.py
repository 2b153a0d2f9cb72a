"""The layer that turns errors into statuses and logs the unexpected ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final

import grpc
import grpc.aio
from grpc_status import rpc_status

from motioncast.serving.call import Call, Proceed
from motioncast.wire.errors import DomainError
from motioncast.wire.status import encode_error

_log = logging.getLogger(__name__)

_MAX_SENTENCE: Final = 1000  # characters: what a caller sent is not sent back at any length


async def answer_errors(call: Call, proceed: Proceed) -> None:
    """Ends a call that failed with a status: domain errors with their details, others INTERNAL.

    A generated servicer raises NotImplementedError for methods that its class lacks. A call whose
    caller has left cannot be ended with a status: it was cancelled, whatever its servicer says.
    """
    try:
        await proceed(call)
    except grpc.aio.AbortError:
        raise  # a status has been sent
    except DomainError as error:
        await _end(call.context.abort_with_status(_status(error)))
    except NotImplementedError:
        problem = f"{call.service}/{call.method} is not served here"
        await _end(call.context.abort(grpc.StatusCode.UNIMPLEMENTED, problem))
    except Exception:
        _log.exception("%s/%s failed for a reason not foreseen", call.service, call.method)
        await _end(call.context.abort(grpc.StatusCode.INTERNAL, "internal error"))


async def _end(abortion: Awaitable[object]) -> None:
    try:
        await abortion
    except grpc.aio.InternalError:  # a stream that its caller left looks like one that has ended
        raise asyncio.CancelledError from None


def _status(error: DomainError) -> grpc.Status:
    status = encode_error(error)
    if len(status.message) > _MAX_SENTENCE:
        short = type(error)(
            f"{status.message[:_MAX_SENTENCE]} ...",
            field=error.field[:_MAX_SENTENCE],
            retry_after_seconds=error.retry_after_seconds,
        )
        status = encode_error(short)
    return rpc_status.to_status(status)
