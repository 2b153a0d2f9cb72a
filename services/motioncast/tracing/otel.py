"""Spans by OpenTelemetry's SDK, sent to a collector in batches by a separate thread."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from motioncast.tracing.settings import TraceSettings
from motioncast.tracing.tracer import Attributes, Kind, Metadata, Span

_SCHEMA: Final = "https://opentelemetry.io/schemas/1.45.0"
_LAST_SECONDS: Final = 3.0  # limit for sending the remaining spans
_FIELDS: Final = frozenset({"traceparent", "tracestate"})
_KINDS: Final[Mapping[Kind, SpanKind]] = {
    "internal": SpanKind.INTERNAL,
    "client": SpanKind.CLIENT,
    "server": SpanKind.SERVER,
}


class OpenTelemetry:
    """Traces as the settings and OpenTelemetry's variables configure; see `Tracer`.

    Sets none of OpenTelemetry's process-wide globals.
    """

    def __init__(self, settings: TraceSettings) -> None:
        self._settings = settings
        self._propagator = TraceContextTextMapPropagator()
        self._exporter = OTLPSpanExporter(settings.endpoint)
        self._provider = TracerProvider(
            # None follows OTEL_TRACES_SAMPLER, which samples everything by default.
            sampler=None if settings.ratio is None else ParentBasedTraceIdRatio(settings.ratio),
            resource=_resource(settings.service),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("motioncast", version("motioncast"), _SCHEMA)

    @property
    def follows_callers(self) -> bool:
        """Whether callers of a public service may continue their traces."""
        return self._settings.callers

    def begin(
        self,
        name: str,
        attributes: Attributes,
        *,
        kind: Kind = "internal",
        since: float | None = None,
        sampled: bool = True,
    ) -> Span:
        """Begins a child of the current span; see `Tracer.begin`."""
        if not sampled:
            return _OtelSpan(NonRecordingSpan(_left_out(trace.get_current_span())))
        started = None
        if since is not None:
            started = time.time_ns() - round(1e9 * (time.perf_counter() - since))
        begun = self._tracer.start_span(
            name, kind=_KINDS[kind], attributes=dict(attributes), start_time=started
        )
        return _OtelSpan(begun)

    def answer(
        self, name: str, attributes: Attributes, metadata: Iterable[tuple[str, Any]], *, trust: bool
    ) -> Span:
        """Begins the span of a served call; see `Tracer.answer`."""
        named = self._named(metadata)
        other = trace.get_current_span(named).get_span_context()
        links = [Link(other)] if other.is_valid and not trust else []
        return _OtelSpan(
            self._tracer.start_span(
                name,
                context=named if trust else Context(),
                kind=SpanKind.SERVER,
                attributes=dict(attributes),
                links=links,
            )
        )

    def names_one(self, metadata: Iterable[tuple[str, Any]]) -> bool:
        """Returns whether a call's metadata names a span."""
        return trace.get_current_span(self._named(metadata)).get_span_context().is_valid

    def metadata(self) -> Metadata:
        """Returns metadata that names the current span to the callee; empty if there is none."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return tuple(carrier.items())

    def tell(self, attributes: Attributes) -> None:
        """Adds attributes to the current span."""
        trace.get_current_span().set_attributes(dict(attributes))

    def ids(self) -> Mapping[str, str]:
        """Returns the ids of the current span; see `Tracer.ids`."""
        current = trace.get_current_span().get_span_context()
        if not current.is_valid or not current.trace_flags.sampled:
            return {}
        return {
            "trace_id": trace.format_trace_id(current.trace_id),
            "span_id": trace.format_span_id(current.span_id),
        }

    def close(self) -> None:
        """Sends the remaining spans; waits only a few seconds for an unresponsive collector."""
        impatience = threading.Timer(_LAST_SECONDS, self._exporter.shutdown)
        impatience.daemon = True
        impatience.start()
        try:
            self._provider.shutdown()
        finally:
            impatience.cancel()

    def _named(self, metadata: Iterable[tuple[str, Any]]) -> Context:
        carrier = {
            key: value for key, value in metadata if key in _FIELDS and isinstance(value, str)
        }
        return self._propagator.extract(carrier, Context())


class _OtelSpan:
    """One span; see `Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @contextmanager
    def within(self) -> Iterator[None]:
        token = contexts.attach(trace.set_span_in_context(self._span))
        try:
            yield
        except asyncio.CancelledError:
            self.tell({"motioncast.cancelled": True})
            self.end()
            raise
        except Exception as error:
            self.end(f"{type(error).__name__}: {error}")
            raise
        finally:
            contexts.detach(token)

    def tell(self, attributes: Attributes) -> None:
        if self._span.is_recording():
            self._span.set_attributes(dict(attributes))

    def end(self, problem: str = "") -> None:
        if not self._span.is_recording():
            return
        if problem:
            self._span.set_status(Status(StatusCode.ERROR, problem))
        self._span.end()


def _left_out(parent: trace.Span) -> SpanContext:
    """Returns the context of an unsampled parent, for spans within one that is left out."""
    context = parent.get_span_context()
    flags = TraceFlags(context.trace_flags & ~TraceFlags.SAMPLED)
    return SpanContext(context.trace_id, context.span_id, context.is_remote, flags)


def _resource(service: str) -> Resource:
    attributes = {"service.name": service, "service.version": version("motioncast")}
    given = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {pair.partition("=")[0].strip() for pair in given.split(",")}
    if os.environ.get("OTEL_SERVICE_NAME"):
        named.add("service.name")
    return Resource.create({key: value for key, value in attributes.items() if key not in named})
