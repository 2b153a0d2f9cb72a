"""The certificate of the datagram endpoint: created at start-up and held only in memory.

Clients receive it over gRPC and accept no other, so nobody signs it and its dates mean nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from motioncast.wire.datagrams import SERVER_NAME

# Clients' clocks may be wrong; the certificate must be valid for them as well.
_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)
_TO: Final = datetime(2100, 1, 1, tzinfo=UTC)


def door_certificate() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey, bytes]:
    """Returns a new certificate, its key, and the certificate's bytes (DER)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "motioncast")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_TO)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key, certificate.public_bytes(serialization.Encoding.DER)
