"""Settings of traces: OpenTelemetry's own variables, an unreachable collector, no traces at all."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from support.collector import Collector, collecting

from motioncast.tracing import (
    TraceSettings,
    active,
    span,
    tracing,
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def test_opentelemetrys_own_variables_are_enough(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "heads")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with tracing(TraceSettings()), span("one", {}):
        pass
    [one] = collector.spans
    assert one.resource["service.name"] == "heads"
    assert one.resource["deployment.environment.name"] == "test"
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with tracing(TraceSettings()), span("two", {}):
        pass
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with tracing(TraceSettings(collector.endpoint)):
        assert active() is None
    assert len(collector.spans) == 1


def test_a_collector_that_is_not_there_holds_nobody_up_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "motioncast.tracing.otel._LAST_SECONDS", 0.1
    )  # the exporter would retry for ten by default
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with tracing(TraceSettings(endpoint)):
            with span("one", {}):
                pass
            leaving = time.monotonic()
    assert time.monotonic() - leaving < 8


def test_where_nothing_is_traced_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys, motioncast.local, motioncast.cli.serving, motioncast.inference.kserve;"
        "from motioncast.tracing import TraceSettings, ids, span, traced_channel, tracing\n"
        "with tracing(TraceSettings()), span('one', {}):\n"
        "    assert not ids() and traced_channel(sys, 'localhost:1') is sys\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout == "[]\n"
