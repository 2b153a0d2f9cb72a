"""Certificates for trying things out, and for the services within one process.

    ca.pem, ca.key              our own authority; an existing one is reused
    server.pem, server.key      for the given names; also used as a client's between services
    client.pem, client.key      for callers, where mutual TLS authenticates them
    marks.pem, marks.key        for marking content as synthetic (C2PA), with the authority

Keys use the curve P-256; every file is readable by its owner only (0600).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from motioncast.provenance.certificates import certificate_of, distinguished_name, key_usage
from motioncast.wire.errors import InvalidInputError

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
MAX_DAYS: Final = 3650

_Key = ec.EllipticCurvePrivateKey
_SIGNING: Final = key_usage("digital_signature")


def make_certificates(
    folder: Path, names: Sequence[str] = LOCAL_NAMES, days: int = 90
) -> dict[str, Path]:
    """Writes an authority and certificates for a server, a client and marks; returns the files.

    An authority already in the folder is reused, so that those who trust it need nothing new; the
    certificates are replaced, each with one rename.

    Args:
        folder: Destination; created if missing, for its owner only.
        names: Host names and addresses of the server.
        days: Validity of the server's and client's certificates, 1 to 3650; ten years for the
            authority.

    Raises:
        InvalidInputError: A name or number is invalid, or the existing authority cannot be read.
        OSError: The folder cannot be written.
    """
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInputError.of("days", f"{days} is out of range [1, {MAX_DAYS}]")
    if not names:
        raise InvalidInputError.of("name", "a server needs at least one")
    alternatives = [_alternative(name) for name in names]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = {
        f"{name}.{kind}": folder / f"{name}.{kind}"
        for name in ("ca", "server", "client", "marks")
        for kind in ("pem", "key")
    }
    ca, ca_key = _authority(files["ca.pem"], files["ca.key"])
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    for name, kinds, extra in (
        ("server", both, [x509.SubjectAlternativeName(alternatives)]),
        ("client", both[1:], []),
        ("marks", [ExtendedKeyUsageOID.EMAIL_PROTECTION], [_SIGNING]),  # as C2PA requires
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(f"motioncast {name}", ca.subject, key.public_key(), days)
        for extension in extra:
            builder = builder.add_extension(extension, critical=extension is _SIGNING)
        builder = builder.add_extension(x509.ExtendedKeyUsage(kinds), critical=False)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        behind = [ca] if name == "marks" else []
        _write_pair(files, name, [builder.sign(ca_key, hashes.SHA256()), *behind], key)
    return files


def _authority(certificate: Path, key: Path) -> tuple[x509.Certificate, _Key]:
    if certificate.exists() or key.exists():
        try:
            found = x509.load_pem_x509_certificate(certificate.read_bytes())
            private = serialization.load_pem_private_key(key.read_bytes(), None)
        except (OSError, ValueError, TypeError):
            raise InvalidInputError.of(
                "ca", f"{certificate} and {key} exist, but are not an authority and its key"
            ) from None
        if not isinstance(private, _Key) or private.public_key() != found.public_key():
            raise InvalidInputError.of("ca", f"{key} is not the key of {certificate}")
        return found, private
    private = ec.generate_private_key(ec.SECP256R1())
    name = "motioncast development authority"
    builder = _builder(name, None, private.public_key(), MAX_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
    signed = builder.sign(private, hashes.SHA256())
    _write_pair({"ca.pem": certificate, "ca.key": key}, "ca", [signed], private)
    return signed, private


def _builder(
    name: str, issuer: x509.Name | None, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    subject = distinguished_name("motioncast development", name)
    return certificate_of(key, subject, subject if issuer is None else issuer, days)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise InvalidInputError.of("name", f"{name!r} is not a host name or address") from None


def _write_pair(
    files: dict[str, Path], name: str, chain: Sequence[x509.Certificate], key: _Key
) -> None:
    """Writes both files; a server that reads them in between keeps its previous pair."""
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(files[f"{name}.key"], private)
    _write(
        files[f"{name}.pem"],
        b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain),
    )


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    partial.replace(path)
