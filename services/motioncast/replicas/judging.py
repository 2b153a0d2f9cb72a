"""Judges the replicas of a service by their responses: failed, silent, or healthy again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

DOWN_SECONDS: Final = 2.0  # after this long without a working replica the call fails
_ANSWER_SECONDS: Final = 1.0  # timeout of a health check
_RETRIED: Final = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,  # by the service, while it stops
)


class Closable(Protocol):
    """A connection that can be closed, with a grace period for running calls."""

    async def close(self, grace: float | None = None) -> None: ...


class Until(Protocol):
    """When a response is of no use any more."""

    def remaining_seconds(self) -> float | None: ...


Way = TypeVar("Way", bound=Closable)  # to a replica
Answer = TypeVar("Answer")
Call = Callable[[Way, float | None], Awaitable[Answer]]  # starts a call with a timeout


@dataclass(frozen=True, slots=True)
class Judgement(Generic[Way]):
    """How to judge a replica by its responses.

    Attributes:
        failed: Whether an error is the replica's own, so that another may succeed.
        well: Whether an excluded replica is healthy again; may repeat the call that it was excluded
            for, with a timeout of that many seconds.
        alive: Whether a replica can serve calls of a kind at present: a question that costs
            nothing, does not wait behind calls, and is cancelled when it takes too long.
        down_seconds: After this long without a response from any replica, the call fails.
    """

    failed: Callable[[Exception], bool]
    well: Callable[[Way, Call[Way, Any], float], Awaitable[bool]]
    alive: Callable[[Way, Hashable], Awaitable[bool]]
    down_seconds: float


async def serves(channel: grpc.aio.Channel, seconds: float | None = _ANSWER_SECONDS) -> bool:
    """Returns whether a service reports SERVING."""
    stub: Any = health_pb2_grpc.HealthStub(channel)  # its stubs are untyped
    try:
        response = await stub.Check(health_pb2.HealthCheckRequest(), timeout=seconds)
    except grpc.aio.AioRpcError:
        return False
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


def _is_gone(error: Exception) -> bool:
    return isinstance(error, grpc.aio.AioRpcError) and error.code() in _RETRIED


async def _is_serving(channel: grpc.aio.Channel, _begin: Any, _seconds: float) -> bool:
    return await serves(channel)


async def _is_alive(channel: grpc.aio.Channel, _kind: Hashable) -> bool:
    """Returns whether a service answers its health check, with whatever status.

    One that drains is not SERVING, but finishes its calls.
    """
    stub: Any = health_pb2_grpc.HealthStub(channel)
    try:
        await stub.Check(health_pb2.HealthCheckRequest())
    except grpc.aio.AioRpcError as error:
        return not _is_gone(error)
    except grpc.aio.UsageError:
        pass  # its channel is closed, and its calls end by themselves
    return True


SERVICES: Final[Judgement[grpc.aio.Channel]] = Judgement(
    _is_gone, _is_serving, _is_alive, DOWN_SECONDS
)
