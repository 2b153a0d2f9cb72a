"""How to reach the model server, or several servers with the same models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from motioncast.replicas.addresses import listed, named
from motioncast.tracing import traced_channel
from motioncast.wire.addresses import is_loopback, join_address, proxy_options
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.token_file import TokenFile

# Triton's prefix, and the key that our embedded server requires (--grpc-restricted-protocol).
SECRET_HEADER: Final = "triton-grpc-protocol-motioncast-secret"


@dataclass(frozen=True, slots=True)
class KServeSettings:
    """How to reach the model server.

    Raises:
        InvalidInputError: A value is out of its range, or a certificate comes without its key.
    """

    # HOST:PORT of its gRPC; several separated by commas; dns:///NAME:PORT for all of a name.
    address: str
    tls: bool = False  # implied by any of the files
    root_certificates: Path | None = None  # PEM; None: those built into gRPC
    client_certificate: Path | None = None  # PEM, used with its key: for servers that require one
    client_key: Path | None = None
    max_message_bytes: int = 64 * 1024 * 1024  # per message, in either direction
    connect_seconds: float = 10.0  # the server may start after its clients
    retry_seconds: float = 5.0  # how long runs that find no server are retried
    slow_seconds: float = 0.5  # after which another server is asked as well, if there is one
    # Runs with at least this many bytes of inputs and outputs use shared memory with a server on
    # this machine; None: no run does. `motioncast bench-transport` finds where that is faster.
    shared_memory_bytes: int | None = 256 * 1024
    keepalive_seconds: float = 30.0  # about how soon a server that vanished is noticed
    secret: str = field(default="", repr=False)  # for a Triton that restricts who controls it
    token: Path | None = None  # file of every call's bearer token; reread when it changes

    def __post_init__(self) -> None:
        for one in listed(self.address):
            host, _, port = one.rpartition(":")
            if not host or not port.isdecimal():
                raise InvalidInputError.of("address", f"{one!r} is not HOST:PORT")
        if (self.client_certificate is None) != (self.client_key is None):
            raise InvalidInputError.of(
                "client_certificate", "a client certificate and its key must be given together"
            )
        if self.max_message_bytes < 1:
            raise InvalidInputError.of("max_message_bytes", f"{self.max_message_bytes} is below 1")
        for name in ("connect_seconds", "retry_seconds", "slow_seconds", "shared_memory_bytes"):
            if not (getattr(self, name) or 0) >= 0:
                raise InvalidInputError.of(name, f"{getattr(self, name)} is less than 0")
        if not self.keepalive_seconds > 0:
            raise InvalidInputError.of(
                "keepalive_seconds", f"{self.keepalive_seconds} is not above 0"
            )
        if self.token is not None and not (self.is_secure or self.is_local):
            raise InvalidInputError.of(
                "token", f"not sent to another machine ({self.address}) without TLS"
            )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Metadata sent with calls about models and memory."""
        return ((SECRET_HEADER, self.secret),) if self.secret else ()

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls or self.root_certificates is not None or self.client_key is not None

    @property
    def is_local(self) -> bool:
        """Whether all addresses are this machine's own."""
        return all(map(is_loopback, listed(self.address)))


def open_channel(settings: KServeSettings, target: str) -> grpc.aio.Channel:
    """Returns a channel to one server of the settings' address, which may not be running yet.

    Raises:
        InvalidInputError: A certificate, key or token file cannot be read.
    """
    options: list[tuple[str, int | str]] = [
        # Twice the limit: up to there our error names the message, beyond it gRPC ends the call.
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", min(2 * settings.max_message_bytes, 2**31 - 1)),
        ("grpc.keepalive_time_ms", round(1000 * settings.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Runs are retried here, where the remaining time is known; gRPC's own pauses between
        # connection attempts grow to two minutes.
        ("grpc.enable_retries", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.use_local_subchannel_pool", 1),  # engines in one process share no connection
        *proxy_options(target),
    ]
    if (name := named(settings.address)) is not None:  # the name that the server's certificate has
        options.append(("grpc.default_authority", join_address(*name)))
    along = [] if settings.token is None else [_Bearer(settings.token)]
    if not settings.is_secure:
        channel = grpc.aio.insecure_channel(target, options, interceptors=along)
        return traced_channel(channel, target)
    if name is not None:
        options.append(("grpc.ssl_target_name_override", name[0]))
    credentials = grpc.ssl_channel_credentials(
        _read("root_certificates", settings.root_certificates),
        _read("client_key", settings.client_key),
        _read("client_certificate", settings.client_certificate),
    )
    channel = grpc.aio.secure_channel(target, credentials, options, interceptors=along)
    return traced_channel(channel, target)


class _Bearer(grpc.aio.UnaryUnaryClientInterceptor):
    """Adds the token in a file to every call, as it is at that moment."""

    def __init__(self, path: Path) -> None:
        self._file = TokenFile(path)
        self._file.metadata()  # fails now, not in the middle of a run

    async def intercept_unary_unary(
        self, continuation: Callable[[Any, Any], Any], details: Any, request: Any
    ) -> Any:
        brought = grpc.aio.Metadata(*(details.metadata or ()), *self._file.metadata())
        return await continuation(details._replace(metadata=brought), request)


def _read(name: str, file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError as error:
        raise InvalidInputError.of(name, f"{file} cannot be read ({error.strerror})") from None
