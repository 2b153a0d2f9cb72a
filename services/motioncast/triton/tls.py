"""TLS of the embedded server: what it shows, and how its own supervisor reaches it.

Triton reads certificates when it starts; new files count after a restart.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography import x509

from motioncast.wire.errors import InvalidInputError
from motioncast.wire.small_file import read_small

_MOST_BYTES = 2**20  # of a file


@dataclass(frozen=True, slots=True)
class TritonTls:
    """What the server shows, and whether its callers have to show something too.

    Raises:
        InvalidInputError: A file cannot be read, the key is not the certificate's, or callers are
            to show certificates of nobody.
    """

    certificate: Path  # PEM, with those between it and the authority
    key: Path  # PEM
    ca: Path | None = None  # PEM, of who signs the callers' certificates
    clients: bool = False  # whether they have to show one (mutual TLS)

    def __post_init__(self) -> None:
        if self.clients and self.ca is None:
            raise InvalidInputError.of("ssl-ca", "is missing: who signs the callers' certificates?")
        for path in self._files():
            _read(path)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self.certificate, self.key, password=""
            )
        except (ssl.SSLError, OSError, ValueError):
            raise InvalidInputError.of(
                "ssl-key", f"{self.key} is not the key (PEM) of {self.certificate}"
            ) from None

    def arguments(self) -> list[str]:
        """Returns what tritonserver is told."""
        told = [
            "--grpc-use-ssl=true",
            f"--grpc-server-cert={self.certificate}",
            f"--grpc-server-key={self.key}",
        ]
        if self.clients:
            told += ["--grpc-use-ssl-mutual=true", f"--grpc-root-cert={self.ca}"]
        return told

    def channel(self) -> tuple[grpc.ChannelCredentials, tuple[tuple[str, str], ...]]:
        """Returns credentials and options of a channel to the server from this machine.

        It is known by its own certificate, whatever name that is for, and shows it where callers
        have to show one.
        """
        certificate = _read(self.certificate)
        trusted = certificate + (b"" if self.ca is None else b"\n" + _read(self.ca))
        shown = (_read(self.key), certificate) if self.clients else (None, None)
        name = _name(certificate)
        options = () if name is None else (("grpc.ssl_target_name_override", name),)
        return grpc.ssl_channel_credentials(trusted, *shown), options

    def _files(self) -> Iterator[Path]:
        yield from (self.certificate, self.key)
        if self.ca is not None:
            yield self.ca


def _name(certificate: bytes) -> str | None:
    """Returns the first name that a certificate is for; None where it names none."""
    try:
        found = x509.load_pem_x509_certificates(certificate)[0].extensions
        names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    for kind in (x509.DNSName, x509.IPAddress):
        for value in names.get_values_for_type(kind):
            if not str(value).startswith("*"):
                return str(value)
    return None


def _read(path: Path) -> bytes:
    return read_small(path, _MOST_BYTES, "ssl")
