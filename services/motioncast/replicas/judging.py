"""How the replicas of a service are judged by what they answer: failed, silent, or well again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

DOWN_SECONDS: Final = 2.0  # so long no replica of a service may answer; then the call fails
_ANSWER_SECONDS: Final = 1.0  # to such a question
_RETRIED: Final = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,  # by the service, while it stops
)


class Closable(Protocol):
    """A connection that can be closed, after a grace for what runs."""

    async def close(self, grace: float | None = None) -> None: ...


class Until(Protocol):
    """When an answer is of no use any more."""

    def remaining_seconds(self) -> float | None: ...


Way = TypeVar("Way", bound=Closable)  # to a replica
Answer = TypeVar("Answer")
Call = Callable[[Way, float | None], Awaitable[Answer]]  # begins a call with so many seconds


@dataclass(frozen=True, slots=True)
class Judgement(Generic[Way]):
    """How a replica is judged by what it answers.

    Attributes:
        failed: Whether an error is the replica's own, so that another may do better.
        well: Whether a replica that was left out is well again; it may be asked for what it was
            left out for, and has that many seconds for the answer.
        down_seconds: So long nobody may answer; then the call fails.
    """

    failed: Callable[[Exception], bool]
    well: Callable[[Way, Call[Way, Any], float], Awaitable[bool]]
    down_seconds: float


async def serves(channel: grpc.aio.Channel, seconds: float | None = _ANSWER_SECONDS) -> bool:
    """Returns whether a service says of itself that it is SERVING."""
    stub: Any = health_pb2_grpc.HealthStub(channel)  # its stubs know no attributes
    try:
        response = await stub.Check(health_pb2.HealthCheckRequest(), timeout=seconds)
    except grpc.aio.AioRpcError:
        return False
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


def _is_gone(error: Exception) -> bool:
    return isinstance(error, grpc.aio.AioRpcError) and error.code() in _RETRIED


async def _is_serving(channel: grpc.aio.Channel, _begin: Any, _seconds: float) -> bool:
    return await serves(channel)


SERVICES: Final[Judgement[grpc.aio.Channel]] = Judgement(_is_gone, _is_serving, DOWN_SECONDS)
