"""Certificates of servers and of those that call them; new files count without a restart.

files -> read whole, key and certificate belong together -> the next connection gets the new one
files that cannot be used -> a line in the log, and the ones before go on
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

_MAX_BYTES: Final = 1024 * 1024  # of one file; a whole system's authorities take a quarter of it

Stamp: TypeAlias = tuple[tuple[int, int, int], ...]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a server shows, and whether those that call have to show something too.

    Raises:
        InvalidInputError: Clients are to be known, and no authority that signs them is named.
    """

    certificate: Path  # PEM, the authorities between it and the root after it
    key: Path  # PEM, its private key, without a password
    ca: Path | None = None  # PEM, of who signs the clients' certificates
    clients: bool = False  # whether they have to show one (mutual TLS)

    def __post_init__(self) -> None:
        if self.clients and self.ca is None:
            raise InvalidInputError.of(
                "ssl_ca", "mutual TLS needs the authority that signs the clients' certificates"
            )


@dataclass(frozen=True, slots=True)
class ChannelTls:
    """What a caller trusts, and what it shows.

    Raises:
        InvalidInputError: A certificate comes without its key, or a key without it.
    """

    ca: Path | None = None  # PEM, of who signs the server's; None: the authorities gRPC brings
    certificate: Path | None = None  # PEM, its own, for servers that ask who calls
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InvalidInputError.of(
                "certificate", "a client's certificate and its key come together"
            )

    def stamp(self) -> Stamp:
        """Returns what changes when a file does."""
        return _stamp([path for one in fields(self) if (path := getattr(self, one.name))])

    def credentials(self) -> grpc.ChannelCredentials:
        """Returns what opens a channel, from the files as they are now.

        Raises:
            InvalidInputError: One cannot be read, or is no key of its certificate.
        """
        if self.certificate is not None and self.key is not None:
            _check_pair(ssl.PROTOCOL_TLS_CLIENT, self.certificate, self.key)
        ca, certificate, key = (
            None if path is None else _read(path) for path in (self.ca, self.certificate, self.key)
        )
        return grpc.ssl_channel_credentials(ca, key, certificate)


class Certificates:
    """The files of a server, read anew when they have changed; any thread may ask.

    Raises:
        InvalidInputError: A file cannot be read, or the key is not that of the certificate.
    """

    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls
        self._files = [path for path in (tls.certificate, tls.key, tls.ca) if path is not None]
        self._lock = threading.Lock()
        self._stamp = _stamp(self._files)
        self._configuration, self._context, self._expires = self._load()

    @property
    def expires(self) -> float:
        """When the certificate that is shown expires, in seconds since 1970."""
        self._refresh()
        return self._expires

    def credentials(self) -> grpc.ServerCredentials:
        """Returns what a gRPC server listens with."""
        shown = [self._configuration]

        def newest() -> grpc.ServerCertificateConfiguration | None:
            self._refresh()
            if shown[0] is self._configuration:
                return None
            shown[0] = self._configuration
            return self._configuration

        fetch: Any = newest  # None is "no news", which the stubs do not know
        return grpc.dynamic_ssl_server_credentials(
            self._configuration, fetch, require_client_authentication=self._tls.clients
        )

    def context(self) -> ssl.SSLContext:
        """Returns what an HTTP connection is accepted with. It asks for a certificate where clients
        have to show one, and lets those in that have none: what they may read is not for it."""
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
                _log.warning("the certificate before goes on: %s", error)
                return
            if _stamp(self._files) != stamp:
                self._stamp = ()  # changed meanwhile: the next one looks again
                return
            self._configuration, self._context, self._expires = loaded
            _log.info("a new certificate counts from now on: %s", self._tls.certificate)

    def _load(self) -> tuple[grpc.ServerCertificateConfiguration, ssl.SSLContext, float]:
        tls = self._tls
        context = _check_pair(ssl.PROTOCOL_TLS_SERVER, tls.certificate, tls.key)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        ca = _read(tls.ca) if tls.clients and tls.ca is not None else None
        if ca is not None:
            try:
                context.load_verify_locations(cadata=ca.decode("ascii"))
            except (ssl.SSLError, ValueError):
                raise InvalidInputError.of("ssl_ca", f"{tls.ca} holds no certificate") from None
            context.verify_mode = ssl.CERT_OPTIONAL
        configuration = grpc.ssl_server_certificate_configuration(
            [(_read(tls.key), _read(tls.certificate))], ca
        )
        return configuration, context, _expiry(tls.certificate)


def _expiry(certificate: Path) -> float:
    """Returns when a certificate expires, in seconds since 1970; says so where it has."""
    try:
        found = x509.load_pem_x509_certificate(_read(certificate)).not_valid_after_utc.timestamp()
    except ValueError:  # OpenSSL takes some that are not quite by the book
        return math.inf
    if found < time.time():
        _log.warning("the certificate has expired, and callers refuse it: %s", certificate)
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
    """Returns what changes when a file does, a link to another included; 0 where there is none."""
    stamps = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            stamps.append((0, 0, 0))
        else:
            stamps.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(stamps)
