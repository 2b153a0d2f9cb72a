"""An OpenTelemetry collector: a real gRPC server that keeps the spans it receives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

KINDS: Final = {
    SpanMessage.SPAN_KIND_INTERNAL: "internal",
    SpanMessage.SPAN_KIND_SERVER: "server",
    SpanMessage.SPAN_KIND_CLIENT: "client",
}

Tree: TypeAlias = "tuple[str, tuple[Tree, ...]]"


@dataclass(frozen=True, slots=True)
class Collected:
    """One received span."""

    message: Any
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.message.name)

    @property
    def kind(self) -> str:
        return KINDS[self.message.kind]

    @property
    def trace_id(self) -> str:
        return str(self.message.trace_id.hex())

    @property
    def span_id(self) -> str:
        return str(self.message.span_id.hex())

    @property
    def parent_id(self) -> str:
        return str(self.message.parent_span_id.hex())

    @property
    def attributes(self) -> dict[str, Any]:
        return _values(self.message.attributes)


@dataclass(slots=True)
class Collector(TraceServiceServicer):
    """Keeps received spans, ordered by start time."""

    endpoint: str = ""
    _spans: list[Collected] = field(default_factory=list)

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> Any:
        for one in request.resource_spans:
            resource = _values(one.resource.attributes)
            for scope in one.scope_spans:
                self._spans += [Collected(span, resource) for span in scope.spans]
        return ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Collected]:
        return sorted(self._spans, key=lambda one: int(one.message.start_time_unix_nano))

    def named(self, name: str) -> list[Collected]:
        """Returns the spans whose names end in `name`."""
        return [one for one in self.spans if one.name.endswith(name)]

    def children(self, parent: str) -> list[Collected]:
        return [one for one in self.spans if one.parent_id == parent]

    def tree(self, root: Collected) -> Tree:
        """Returns the kinds and short names of a span and of all its descendants."""
        within = tuple(self.tree(one) for one in self.children(root.span_id))
        return f"{root.kind} {root.name.rpartition('/')[2]}", within


@contextmanager
def collecting() -> Iterator[Collector]:
    """Runs a collector on a free port."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _values(attributes: Sequence[Any]) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
