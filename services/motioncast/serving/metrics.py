"""The metrics of one server, and the layer that counts calls under gRPC's usual names."""

from __future__ import annotations

import platform
from dataclasses import replace
from importlib.metadata import version

import grpc
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)

from motioncast.serving.call import Call, Proceed, watching

# Calls take from a millisecond (a forecast) to a minute (a session).
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one server, in their own registry, so that a process can hold several.

    Services add their collectors to `registry`. docs/service_metrics.md lists all of them; it is
    generated from here (`motioncast.local.metrics_page`).

    Args:
        process: Whether this server reports its process's memory and CPU time. Of several servers
            in one process only one should, so that a sum counts the process once.
    """

    def __init__(self, *, process: bool = True) -> None:
        self.registry = CollectorRegistry()
        if process:
            ProcessCollector(registry=self.registry)
        build = Gauge(
            "motioncast_build_info",
            "1, with the version of motioncast and of Python as labels.",
            ("version", "python"),
            registry=self.registry,
        )
        build.labels(version("motioncast"), platform.python_version()).set(1)
        method = ("grpc_type", "grpc_service", "grpc_method")
        self.started = Counter(
            "grpc_server_started", "Calls started.", method, registry=self.registry
        )
        self.handled = Counter(
            "grpc_server_handled",
            "Calls ended, by status.",
            (*method, "grpc_code"),
            registry=self.registry,
        )
        self.received = Counter(
            "grpc_server_msg_received", "Messages received.", method, registry=self.registry
        )
        self.sent = Counter(
            "grpc_server_msg_sent", "Messages sent.", method, registry=self.registry
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds",
            "Seconds from the start of a call to its end.",
            method,
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.expires = Gauge(
            "motioncast_certificate_expires_timestamp_seconds",
            "Expiry of the certificate of the server's ports, seconds since 1970; no sample if "
            "they are not encrypted.",
            ("ports",),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "motioncast_calls_in_flight", "Calls admitted and running.", registry=self.registry
        )
        self.queued = Gauge(
            "motioncast_calls_queued", "Calls waiting to be admitted.", registry=self.registry
        )
        self.limit = Gauge(
            "motioncast_calls_limit", "Maximum number of concurrent calls.", registry=self.registry
        )
        self.rejected = Counter(
            "motioncast_calls_rejected",
            "Calls not admitted: queue_full, deadline or draining.",
            ("reason",),
            registry=self.registry,
        )
        for reason in ("queue_full", "deadline", "draining"):
            self.rejected.labels(reason)  # rates need a zero to start from

        self.floods = Counter(
            "motioncast_floods",
            "Times that reading from a peer was paused because its traffic other than messages "
            "exceeded its budget.",
            registry=self.registry,
        )

    async def count(self, call: Call, proceed: Proceed) -> None:
        """Counts one call and its messages."""
        method = (call.kind, call.service, call.method)
        received, sent = self.received.labels(*method), self.sent.labels(*method)

        async def receive() -> bytes | None:
            message = await call.receive()
            if message is not None:
                received.inc()
            return message

        async def send(message: bytes) -> None:
            await call.send(message)
            sent.inc()

        def ended(code: grpc.StatusCode, seconds: float) -> None:
            self.handled.labels(*method, code.name).inc()
            self.seconds.labels(*method).observe(seconds)

        self.started.labels(*method).inc()
        with watching(call.context, ended):
            await proceed(replace(call, receive=receive, send=send))
