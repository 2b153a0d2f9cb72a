"""How one service listens, admits and drains."""

from __future__ import annotations

from dataclasses import dataclass

from motioncast.serving.identity import TokenSettings
from motioncast.serving.tls import ServerTls
from motioncast.wire.addresses import is_only_here
from motioncast.wire.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How one service listens, admits and drains.

    Raises:
        InvalidInputError: A value is out of range.
    """

    host: str = "127.0.0.1"
    port: int = 0  # gRPC; 0 selects a free one
    http_port: int | None = None  # metrics, live, ready; 0 selects a free one, None disables it
    max_concurrent_calls: int = 16
    max_queued_calls: int = 64  # waiting for one of those to end
    max_message_bytes: int = 8 * 1024 * 1024  # per message, in either direction
    max_connections: int = 1024  # of gRPC; fewer if the process may open fewer files
    max_http_connections: int = 64  # the same applies
    max_calls_per_connection: int = 300  # concurrent
    max_calls: int = 4096  # concurrent, of any kind; a quarter of them for one peer
    max_connection_age_seconds: float = 60.0  # then clients reconnect; running calls finish first
    silence_seconds: float = 10.0  # after which the stream of a silent client ends
    stall_seconds: float = 60.0  # after which the stream of a client that reads nothing ends
    drain_grace_seconds: float = 5.0
    readiness_poll_seconds: float = 1.0  # how often a health watch looks for a change
    readiness_timeout_seconds: float = 2.0  # a service that takes longer to answer is not ready
    tls: ServerTls | None = None  # of both ports; None speaks plain text
    inner_tls: ServerTls | None = None  # replaces it for gRPC if only this process calls
    tokens: TokenSettings | None = None  # required of calls; None requires none
    insecure: bool = False  # allows plain text to other machines

    def __post_init__(self) -> None:
        if self.tls is None and not self.insecure:
            refuse_plain_text(self.host)
        for field in ("port", "http_port"):
            port = getattr(self, field)
            if port is not None and not 0 <= port <= 65535:
                raise InvalidInputError.of(field, f"{port} is out of range [0, 65535]")
        for field, least in (
            ("max_concurrent_calls", 1),
            ("max_queued_calls", 0),
            ("max_message_bytes", 1),
            ("max_connections", 1),
            ("max_http_connections", 1),
            ("max_calls_per_connection", 1),
            ("max_calls", 1),
            ("drain_grace_seconds", 0),
        ):
            value = getattr(self, field)
            if not value >= least:
                raise InvalidInputError.of(field, f"{value} is less than {least}")
        for field in (
            "max_connection_age_seconds",
            "silence_seconds",
            "stall_seconds",
            "readiness_poll_seconds",
            "readiness_timeout_seconds",
        ):
            if not getattr(self, field) > 0:
                raise InvalidInputError.of(field, f"{getattr(self, field)} is not above 0")


def refuse_plain_text(host: str) -> None:
    """Raises InvalidInputError for an address that other machines can reach in plain text."""
    if not is_only_here(host):
        raise InvalidInputError.of(
            "host",
            f"{host or 'every address'} can be reached from other machines, and plain text can be"
            " read and changed on the way: give this server a certificate (--ssl-mode TLS"
            " --ssl-certificate FILE --ssl-key FILE; `motioncast certs OUT` creates one for tests),"
            " or pass --insecure if the network itself is private",
        )
