"""Common parts of the certificates that motioncast creates; needs cryptography."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_CLOCKS: Final = timedelta(minutes=5)  # tolerated difference between clocks


def key_usage(*granted: str) -> x509.KeyUsage:
    """Returns the extension that grants only these uses, by the names of `KeyUsage`."""
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{one: one in granted for one in every})


def distinguished_name(organisation: str, common: str) -> x509.Name:
    """Returns a distinguished name within an organisation."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def certificate_of(
    key: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name, days: int
) -> x509.CertificateBuilder:
    """Returns a certificate of a key, valid from now on, with the key's identifier."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
