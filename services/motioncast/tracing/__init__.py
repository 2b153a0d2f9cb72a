"""Traces: where a session's time went, exported to an OpenTelemetry collector.

with tracing(TraceSettings(endpoint="http://localhost:4317")):
    ...  # servers that start here trace their calls

Without `tracing` nothing is traced, OpenTelemetry is not imported, and a span costs one call.
"""

from motioncast.tracing.calls import traced_channel
from motioncast.tracing.parts import Parts
from motioncast.tracing.settings import TraceSettings
from motioncast.tracing.spans import (
    active,
    ids,
    span,
    tell,
    tracing,
)
from motioncast.tracing.tracer import Span

__all__ = [
    "Parts",
    "Span",
    "TraceSettings",
    "active",
    "ids",
    "span",
    "tell",
    "traced_channel",
    "tracing",
]
