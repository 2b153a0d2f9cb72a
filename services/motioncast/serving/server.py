"""A gRPC server with everything that all services share."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final, Self

import grpc.aio
from grpc_health.v1 import health_pb2_grpc

from motioncast.serving import health, reflection
from motioncast.serving.admission import Admission
from motioncast.serving.arrival import Arrival
from motioncast.serving.call import Layer
from motioncast.serving.connections import connections_within_limit
from motioncast.serving.errors import answer_errors
from motioncast.serving.flooding import Flooding
from motioncast.serving.guard import Guard, Verifies
from motioncast.serving.hanging_up import HangingUp
from motioncast.serving.health import HealthServicer
from motioncast.serving.http import HttpEndpoint
from motioncast.serving.identity import TokenSettings
from motioncast.serving.limits import MessageLimit
from motioncast.serving.logs import AccessLog, leave_out_callers_that_left
from motioncast.serving.metrics import Metrics
from motioncast.serving.pace import Pace
from motioncast.serving.patience import PatienceLayer
from motioncast.serving.pipeline import Pipeline
from motioncast.serving.places import SHARE
from motioncast.serving.readiness import Readiness
from motioncast.serving.registration import Registration
from motioncast.serving.sessions import name_session
from motioncast.serving.settings import ServerSettings
from motioncast.serving.termination import wait_for_signal
from motioncast.serving.tls import Certificates
from motioncast.serving.traced import TraceLayer
from motioncast.tracing import active
from motioncast.wire.addresses import join_address
from motioncast.wire.errors import UnavailableError
from motioncast.wire.limits import READ_AHEAD_BYTES

_MAX_PROBE_BYTES: Final = 16 * 1024  # a health or reflection request
_PROBES: Final = (
    (health.SERVICE_NAME, "Check"),
    (health.SERVICE_NAME, "Watch"),
    (reflection.SERVICE_NAME, "ServerReflectionInfo"),
)
_HANDSHAKE_MILLISECONDS: Final = 5_000
_LEAST_CALLS: Final = 32  # concurrent, per connection
MAX_METADATA_BYTES: Final = 8192


class Server:
    """Serves the registered services from entering the block until leaving it, which drains.

    Draining: health reports NOT_SERVING, new calls are refused with UNAVAILABLE, running calls have
    `drain_grace_seconds` to end and are then cancelled.

    Args:
        settings: How to listen, admit and drain.
        registrations: The services.
        metrics: Where to count; every server needs its own.

    Raises:
        InvalidInputError: The certificates or the keys of tokens cannot be used.
    """

    def __init__(
        self,
        settings: ServerSettings,
        registrations: Sequence[Registration],
        metrics: Metrics | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = metrics or Metrics()
        self._registrations = tuple(registrations)
        self._readiness = Readiness(self._registrations, settings.readiness_timeout_seconds)
        certificates = None if settings.tls is None else Certificates(settings.tls)
        self._http = HttpEndpoint(
            self.metrics.registry,
            self._readiness,
            connections_within_limit(settings.max_http_connections),
            certificates,
            known_only=settings.tls is not None and settings.tls.clients,
        )
        if certificates is not None:
            self.metrics.expires.labels("all").set_function(lambda: certificates.expires)
        inner = settings.inner_tls
        self._certificates = certificates if inner is None else Certificates(inner)
        self._guard = Guard(None if settings.tokens is None else _verifier(settings.tokens))
        self._unlimited = {
            (registration.name, method)
            for registration in self._registrations
            for method in registration.unlimited_methods
        }
        exempt = (health.SERVICE_NAME, reflection.SERVICE_NAME)
        self._admission = Admission(
            settings.max_concurrent_calls,
            settings.max_queued_calls,
            lambda service, method: service in exempt or (service, method) in self._unlimited,
            self.metrics,
        )
        rates = (registration.calls_per_second for registration in self._registrations)
        self._rate = min(rates, default=math.inf)
        self._pace = Pace(self._rate, settings.max_calls)
        self._port = 0
        # Only our own servers may call services without a rate limit.
        paced = math.isfinite(self._rate)
        most = connections_within_limit(settings.max_connections)
        self._flooding = Flooding(lambda: self._port, self.metrics, most) if paced else None
        self._http_port: int | None = None

    @property
    def port(self) -> int:
        """The gRPC port; chosen by the system when the settings say 0."""
        return self._port

    @property
    def http_port(self) -> int | None:
        """The port of /metrics, /live and /ready; None when the settings disable it."""
        return self._http_port

    @property
    def address(self) -> str:
        """The address that clients connect to, host:port."""
        return join_address(self.settings.host, self._port)

    async def __aenter__(self) -> Self:
        """Starts listening.

        Raises:
            UnavailableError: A port cannot be listened on.
        """
        leave_out_callers_that_left()
        self._grpc = grpc.aio.server(
            interceptors=[self._pipeline()], options=_options(self.settings, self._rate)
        )
        self._add_services()
        if self.settings.http_port is not None:
            try:
                self._http_port = await self._http.bind(self.settings.host, self.settings.http_port)
            except OSError:
                raise _unavailable(
                    "http_port", self.settings.host, self.settings.http_port
                ) from None
        try:
            address = join_address(self.settings.host, self.settings.port)
            if self._certificates is None:
                self._port = self._grpc.add_insecure_port(address)
            else:
                self._port = self._grpc.add_secure_port(address, self._certificates.credentials())
        except RuntimeError:
            await self._http.stop()
            raise _unavailable("port", self.settings.host, self.settings.port) from None
        await self._grpc.start()
        await self._http.start()
        if self._flooding is not None:
            self._flooding.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.drain()

    async def wait_for_termination(self) -> None:
        """Returns when the process is asked to stop (SIGTERM or SIGINT); then leave the block."""
        await wait_for_signal()

    async def drain(self) -> None:
        """Ends running calls within the grace period and stops; leaving the block does this too."""
        ends = time.monotonic() + self.settings.drain_grace_seconds
        self._readiness.draining.set()
        for registration in self._registrations:
            registration.on_drain()
        self._pace.drain()
        await self._admission.drain(self.settings.drain_grace_seconds)
        # The remaining calls have only a status to send, or are over their time.
        await self._grpc.stop(max(0.0, ends - time.monotonic()))
        if self._flooding is not None:
            await self._flooding.stop()
        await self._http.stop()

    def _pipeline(self) -> Pipeline:
        services = self._registrations
        requests = {
            (service.name, method): size
            for service in services
            for method, size in service.max_request_bytes.items()
        }
        probes = dict.fromkeys(_PROBES, _MAX_PROBE_BYTES)
        limit = MessageLimit(self.settings.max_message_bytes, probes | requests)
        access = AccessLog({service.name: service.log_level for service in services})
        quiet = PatienceLayer(self.settings.silence_seconds, self.settings.stall_seconds)
        return Pipeline(
            (
                *(() if self._flooding is None else (self._flooding.count,)),
                name_session,
                *self._traces(),
                self.metrics.count,
                access.log,
                answer_errors,
                HangingUp(self.settings.stall_seconds, lambda: self._port).keep,
                self._guard.identify,
                self._pace.keep,
                self._guard.refuse,
                Arrival(self.settings.silence_seconds).wait,
                self._admission.admit,
                quiet.keep,
                limit.enforce,
            )
        )

    def _traces(self) -> tuple[Layer, ...]:
        """Returns the layer that traces calls, if tracing is on."""
        tracer = active()
        if tracer is None:
            return ()
        public = math.isfinite(self._rate)
        host, questions = self.settings.host, self._unlimited
        layer = TraceLayer(tracer, host, lambda: self._port, public=public, questions=questions)
        return (layer.trace,)

    def _add_services(self) -> None:
        for registration in self._registrations:
            registration.add(self._grpc)
        health_pb2_grpc.add_HealthServicer_to_server(
            HealthServicer(self._readiness, self.settings.readiness_poll_seconds), self._grpc
        )
        names = [registration.name for registration in self._registrations]
        reflection.add_reflection(self._grpc, names, self._readiness.draining)


def _options(settings: ServerSettings, calls_per_second: float) -> list[tuple[str, int]]:
    # Calls that would only wait for their turn stay at the client: where peers have a rate limit, a
    # connection has room for one peer's share of the running calls, and for some queries.
    calls = settings.max_calls_per_connection
    if math.isfinite(calls_per_second):
        calls = min(calls, max(_LEAST_CALLS, settings.max_concurrent_calls // SHARE))
    return [
        # Twice the limit: up to there the caller's error states both numbers (MessageLimit), beyond
        # it the error is grpc's own.
        ("grpc.max_receive_message_length", min(2 * settings.max_message_bytes, 2**31 - 1)),
        ("grpc.max_send_message_length", -1),
        # No compression in either direction: data could inflate to a thousand times its size.
        # Images and keypoints are already compressed where that is worthwhile.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        # A fixed window, as at the clients: see motioncast.client.channel.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", READ_AHEAD_BYTES),
        ("grpc.so_reuseport", 0),  # a port in use is an error, not shared
        # Limits of connections and of calls on each; those without a handshake are closed.
        (
            "grpc.max_allowed_incoming_connections",
            connections_within_limit(settings.max_connections),
        ),
        ("grpc.max_concurrent_streams", calls),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MILLISECONDS),
        # Names and values of a call's metadata. If the second were larger, calls between the two
        # would be refused at random, and those admitted would cost work.
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        # Connections are closed periodically, after their calls: a client that reconnects resolves
        # the name again, and finds replicas added since.
        ("grpc.max_connection_age_ms", round(1000 * settings.max_connection_age_seconds)),
        # A client whose network is gone must not keep its place forever.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # All PINGs are answered. To disconnect a client that sends too many, grpc keeps a list of
        # its violations, and copies all of it for each new one: 200,000 PINGs took a second.
        ("grpc.http2.max_ping_strikes", 0),
    ]


def _unavailable(field: str, host: str, port: int) -> UnavailableError:
    return UnavailableError(
        f"{field}: cannot listen on {join_address(host, port)}; is it in use by another server?",
        field=field,
    )


def _verifier(settings: TokenSettings) -> Verifies:
    from motioncast.serving.tokens import Verifier  # late: importing joserfc is slow

    return Verifier(settings)
