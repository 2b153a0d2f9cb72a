"""The layer that turns errors into statuses and logs unexpected ones."""

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

_MAX_SENTENCE: Final = 1000  # limits how much of a caller's input is echoed back


async def answer_errors(call: Call, proceed: Proceed) -> None:
    """Ends a failed call with a status: domain errors with their details, others as INTERNAL.

    A generated servicer raises NotImplementedError for methods that its class lacks. A call whose
    caller has disconnected cannot be ended with a status: it counts as cancelled, whatever its
    servicer raises.
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
        _log.exception("%s/%s failed unexpectedly", call.service, call.method)
        await _end(call.context.abort(grpc.StatusCode.INTERNAL, "internal error"))


async def _end(abortion: Awaitable[object]) -> None:
    try:
        await abortion
    except grpc.aio.InternalError:  # grpc reports a stream that its caller left as ended
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
