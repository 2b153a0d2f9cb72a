"""Calls of other services as spans, and what they send along so that the answer is a part of it.

https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ (1.45)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
import grpc.aio

from motioncast.tracing.spans import Attributes, Tracer, active
from motioncast.wire.addresses import host_of

# A server whose caller did wrong has not failed.
SERVERS_FAULT: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)


def client_interceptors(target: str) -> Sequence[grpc.aio.ClientInterceptor]:
    """Returns the interceptors of a channel to a gRPC target: none where nothing is traced."""
    tracer = active()
    return () if tracer is None else (_Calls(tracer, target),)


def call_attributes(method: str, address: str, port: int | None) -> Attributes:
    """Returns what is known of a call when it begins, on either side.

    Args:
        method: `motioncast.v1.KeypointService/Detect`.
        address: Of the server.
        port: Of the server; None where it has none.
    """
    known: dict[str, str | int] = {
        "rpc.system.name": "grpc",
        "rpc.method": method,
        "server.address": address,
    }
    return known if port is None else known | {"server.port": port}


def ended_attributes(code: str, *, failed: bool) -> Attributes:
    """Returns what is known of a call that has ended."""
    known = {"rpc.response.status_code": code}
    return known | {"error.type": code} if failed else known


class _Calls(grpc.aio.UnaryUnaryClientInterceptor):
    """Makes every attempt of a call within a trace a span of it.

    Calls that belong to no trace, such as looks at another server's health, begin none.
    """

    def __init__(self, tracer: Tracer, target: str) -> None:
        self._tracer = tracer
        port = target.rpartition(":")[2]
        self._address = host_of(target) or target
        self._port = int(port) if port.isdecimal() else None

    async def intercept_unary_unary(
        self, continuation: Callable[[Any, Any], Any], details: Any, request: Any
    ) -> Any:
        if not self._tracer.metadata():
            return await continuation(details, request)
        path = details.method.decode() if isinstance(details.method, bytes) else details.method
        method = path.removeprefix("/")
        known = call_attributes(method, self._address, self._port)
        span = self._tracer.begin(method, known, kind="client")
        with span.within():
            along = (*(details.metadata or ()), *self._tracer.metadata())
            metadata = grpc.aio.Metadata(*along)
            call = await continuation(details._replace(metadata=metadata), request)
            try:
                code: grpc.StatusCode = await call.code()
            except asyncio.CancelledError:
                call.cancel()
                span.tell(ended_attributes("CANCELLED", failed=True))
                raise
        failed = code is not grpc.StatusCode.OK
        span.tell(ended_attributes(code.name, failed=failed))
        span.end(await call.details() or code.name if failed else "")
        return call
