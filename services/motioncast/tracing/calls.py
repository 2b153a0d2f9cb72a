"""Traces calls to other services, and propagates the trace to them.

https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ (1.45)
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final, cast

import grpc
import grpc.aio

from motioncast.tracing.spans import active
from motioncast.tracing.tracer import Attributes, Span, Tracer
from motioncast.wire.addresses import host_of

# A server whose caller made an error has not failed.
SERVERS_FAULT: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)


def traced_channel(channel: grpc.aio.Channel, target: str) -> grpc.aio.Channel:
    """Returns a channel that traces unary calls, or the channel itself if nothing is traced.

    Every attempt of a call within a trace is a span. Calls outside a trace, such as health checks
    of another server, start none. grpc's own interceptors would double the cost of a call.
    """
    tracer = active()
    return channel if tracer is None else cast(grpc.aio.Channel, _Channel(tracer, channel, target))


def call_attributes(method: str, address: str, port: int | None) -> Attributes:
    """Returns a call's attributes known at its start, on either side.

    Args:
        method: `motioncast.v1.KeypointService/Detect`.
        address: The server's address.
        port: The server's port; None if it has none.
    """
    known: dict[str, str | int] = {
        "rpc.system.name": "grpc",
        "rpc.method": method,
        "server.address": address,
    }
    return known if port is None else known | {"server.port": port}


def ended_attributes(code: str, *, failed: bool) -> Attributes:
    """Returns the attributes of a call that has ended."""
    known = {"rpc.response.status_code": code}
    return known | {"error.type": code} if failed else known


class _Channel:
    """A channel that traces its unary calls, and delegates everything else."""

    def __init__(self, tracer: Tracer, channel: grpc.aio.Channel, target: str) -> None:
        self._tracer = tracer
        self._channel = channel
        port = target.rpartition(":")[2]
        self._address = host_of(target) or target
        self._port = int(port) if port.isdecimal() else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def unary_unary(self, path: str, *arguments: Any, **named: Any) -> Callable[..., Any]:
        """Returns a callable for a method; the calls it returns are grpc's."""
        begin: Any = self._channel.unary_unary(path, *arguments, **named)
        method = path.removeprefix("/")
        known = call_attributes(method, self._address, self._port)

        def call(
            request: Any, *, metadata: Iterable[tuple[str, Any]] | None = None, **options: Any
        ) -> Any:
            if not self._tracer.metadata():
                return begin(request, metadata=metadata, **options)
            span = self._tracer.begin(method, known, kind="client")
            with span.within():
                along = (*(metadata or ()), *self._tracer.metadata())
                begun = begin(request, metadata=along, **options)
            begun.add_done_callback(partial(_ended, span))
            return begun

        return call


def _ended(span: Span, call: Any) -> None:
    code = _known(call.code()) or grpc.StatusCode.CANCELLED  # cancelled before it began
    failed = code is not grpc.StatusCode.OK
    span.tell(ended_attributes(code.name, failed=failed))
    span.end(_known(call.details()) or code.name if failed else "")


def _known(told: Coroutine[Any, Any, Any]) -> Any:
    """Returns what a completed call reports, without waiting; None if it has not completed."""
    try:
        told.send(None)
    except StopIteration as answered:
        return answered.value
    told.close()
    return None
