"""TLS of the embedded server: its certificate, and how its own supervisor connects.

Triton reads certificates only when it starts; new files take effect after a restart.
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

_MOST_BYTES = 2**20  # per file


@dataclass(frozen=True, slots=True)
class TritonTls:
    """The server's certificate, and whether callers have to present one too.

    Raises:
        InvalidInputError: A file cannot be read, the key does not match the certificate, or callers
            have to present certificates and no authority is named.
    """

    certificate: Path  # PEM, with any intermediate authorities
    key: Path  # PEM
    ca: Path | None = None  # PEM, the authorities that sign callers' certificates
    clients: bool = False  # whether callers have to present one (mutual TLS)

    def __post_init__(self) -> None:
        if self.clients and self.ca is None:
            raise InvalidInputError.of(
                "ssl-ca", "missing; give the authority that signs clients' certificates"
            )
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
        """Returns tritonserver's command line arguments."""
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

        The server is verified by its own certificate, whatever name that is for; the same
        certificate is presented where callers have to present one.
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
    """Returns the first name that a certificate is for, or None."""
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
