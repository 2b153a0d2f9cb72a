"""Certificates of servers and their callers; new files take effect without a restart.

files -> read completely, key matches certificate -> used from the next connection on
files that cannot be used -> logged, and the previous ones stay in use
"""

from __future__ import annotations

import logging
import math
import ssl
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeAlias

import grpc
from cryptography import x509

from motioncast.wire.errors import InvalidInputError
from motioncast.wire.small_file import read_small

_MAX_BYTES: Final = 1024 * 1024  # per file; a whole system's authorities take a quarter of it

Stamp: TypeAlias = tuple[tuple[int, int, int], ...]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """A server's certificate, and whether callers have to present one too.

    Raises:
        InvalidInputError: Clients have to present one, and no authority to verify it is named.
    """

    certificate: Path  # PEM, followed by the intermediate authorities
    key: Path  # PEM, its private key, without a password
    ca: Path | None = None  # PEM, the authorities that sign clients' certificates
    clients: bool = False  # whether clients have to present one (mutual TLS)

    def __post_init__(self) -> None:
        if self.clients and self.ca is None:
            raise InvalidInputError.of(
                "ssl_ca", "mutual TLS needs the authority that signs the clients' certificates"
            )


@dataclass(frozen=True, slots=True)
class ChannelTls:
    """The authorities that a caller trusts, and its own certificate.

    Raises:
        InvalidInputError: A certificate is given without its key, or a key without its certificate.
    """

    ca: Path | None = None  # PEM, the server's authorities; None: those built into gRPC
    certificate: Path | None = None  # PEM, the caller's own, for servers that require one
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InvalidInputError.of(
                "certificate", "a client certificate and its key must be given together"
            )

    def stamp(self) -> Stamp:
        """Returns a value that changes when a file does."""
        return _stamp([path for one in fields(self) if (path := getattr(self, one.name))])

    def credentials(self) -> grpc.ChannelCredentials:
        """Returns the credentials for a channel, from the files as they are now.

        Raises:
            InvalidInputError: A file cannot be read, or the key does not match the certificate.
        """
        if self.certificate is not None and self.key is not None:
            _check_pair(ssl.PROTOCOL_TLS_CLIENT, self.certificate, self.key)
        ca, certificate, key = (
            None if path is None else _read(path) for path in (self.ca, self.certificate, self.key)
        )
        return grpc.ssl_channel_credentials(ca, key, certificate)


class Certificates:
    """The files of a server, reloaded when they have changed; thread-safe.

    Raises:
        InvalidInputError: A file cannot be read, or the key does not match the certificate.
    """

    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls
        self._files = [path for path in (tls.certificate, tls.key, tls.ca) if path is not None]
        self._lock = threading.Lock()
        self._stamp = _stamp(self._files)
        self._configuration, self._context, self._expires = self._load()

    @property
    def expires(self) -> float:
        """When the certificate in use expires, in seconds since 1970."""
        self._refresh()
        return self._expires

    def credentials(self) -> grpc.ServerCredentials:
        """Returns the credentials that a gRPC server listens with."""
        shown = [self._configuration]

        def newest() -> grpc.ServerCertificateConfiguration | None:
            self._refresh()
            if shown[0] is self._configuration:
                return None
            shown[0] = self._configuration
            return self._configuration

        fetch: Any = newest  # None means unchanged, which the stubs do not allow
        return grpc.dynamic_ssl_server_credentials(
            self._configuration, fetch, require_client_authentication=self._tls.clients
        )

    def context(self) -> ssl.SSLContext:
        """Returns the TLS context for HTTP connections.

        Where clients have to present a certificate, it requests one, but also accepts clients
        without, which cannot read /metrics.
        """
        self._refresh()
        return self._context

    def _refresh(self) -> None:
        stamp = _stamp(self._files)
        with self._lock:
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                loaded = self._load()
            except InvalidInputError as error:
                _log.warning("keeping the previous certificate: %s", error)
                return
            if _stamp(self._files) != stamp:
                self._stamp = ()  # changed meanwhile: the next check reloads them
                return
            self._configuration, self._context, self._expires = loaded
            _log.info("now using the new certificate: %s", self._tls.certificate)

    def _load(self) -> tuple[grpc.ServerCertificateConfiguration, ssl.SSLContext, float]:
        tls = self._tls
        context = _check_pair(ssl.PROTOCOL_TLS_SERVER, tls.certificate, tls.key)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        ca = _read(tls.ca) if tls.clients and tls.ca is not None else None
        if ca is not None:
            try:
                context.load_verify_locations(cadata=ca.decode("ascii"))
            except (ssl.SSLError, ValueError):
                raise InvalidInputError.of("ssl_ca", f"{tls.ca} contains no certificate") from None
            context.verify_mode = ssl.CERT_OPTIONAL
        configuration = grpc.ssl_server_certificate_configuration(
            [(_read(tls.key), _read(tls.certificate))], ca
        )
        return configuration, context, _expiry(tls.certificate)


def _expiry(certificate: Path) -> float:
    """Returns when a certificate expires, in seconds since 1970; logs one that has expired."""
    try:
        found = x509.load_pem_x509_certificate(_read(certificate)).not_valid_after_utc.timestamp()
    except ValueError:  # OpenSSL accepts some that are not strictly valid
        return math.inf
    if found < time.time():
        _log.warning("the certificate has expired, and clients will reject it: %s", certificate)
    return found


def _check_pair(protocol: ssl._SSLMethod, certificate: Path, key: Path) -> ssl.SSLContext:
    for path in (certificate, key):
        _read(path)
    context = ssl.SSLContext(protocol)
    try:
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError):
        raise InvalidInputError.of(
            "ssl_key", f"{key} is not the key (PEM, without a password) of {certificate}"
        ) from None
    return context


def _read(path: Path) -> bytes:
    return read_small(path, _MAX_BYTES, "ssl")


def _stamp(paths: list[Path]) -> Stamp:
    """Returns a value that changes when a file or its link target does; 0 for a missing file."""
    stamps = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            stamps.append((0, 0, 0))
        else:
            stamps.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(stamps)
