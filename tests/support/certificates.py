"""Certificates that are each invalid in one way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def serial_of(pem: bytes) -> int:
    """Returns the serial number of a certificate."""
    return x509.load_pem_x509_certificate(pem).serial_number


def expired(files: dict[str, Path], folder: Path) -> tuple[Path, Path]:
    """Returns a localhost server's certificate, expired yesterday, and its key.

    Args:
        files: Files of the signing authority, named as by `make_certificates`.
        folder: Folder to write to.
    """
    authority = x509.load_pem_x509_certificate(files["ca.pem"].read_bytes())
    signing = serialization.load_pem_private_key(files["ca.key"].read_bytes(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "late")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now - timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(signing, hashes.SHA256())
    )
    certificate, private = folder / "late.pem", folder / "late.key"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
