"""The layer that tells the caller what went wrong, and the log what nobody foresaw."""

from __future__ import annotations

import logging

import grpc
import grpc.aio
from grpc_status import rpc_status

from motioncast.serving.call import Call, Proceed
from motioncast.wire.errors import DomainError
from motioncast.wire.status import encode_error

_log = logging.getLogger(__name__)


async def answer_errors(call: Call, proceed: Proceed) -> None:
    """Ends a call that failed with a status: domain errors with their details, others INTERNAL.

    A generated servicer raises NotImplementedError for methods that its class lacks.
    """
    try:
        await proceed(call)
    except grpc.aio.AbortError:
        raise  # a status has been sent
    except DomainError as error:
        await call.context.abort_with_status(rpc_status.to_status(encode_error(error)))
    except NotImplementedError:
        await call.context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"{call.service}/{call.method} is not served here"
        )
    except Exception:
        _log.exception("%s/%s failed for a reason not foreseen", call.service, call.method)
        await call.context.abort(grpc.StatusCode.INTERNAL, "internal error")
