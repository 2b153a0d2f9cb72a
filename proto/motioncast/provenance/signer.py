"""The certificate that signs a manifest: the user's, or an untrusted one of this process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

MAX_PEM_BYTES: Final = 64 * 1024
DEVELOPMENT: Final = "motioncast development (untrusted)"
_DAYS: Final = 30  # validity of the development certificate


@dataclass(frozen=True, slots=True)
class Signer:
    """The files of a certificate for C2PA.

    Attributes:
        certificate: PEM, the signer's certificate first, then the chain to the authority.
            Its extended key usage is emailProtection, documentSigning or C2PA's own.
        key: PEM (PKCS #8) of that certificate's key: P-256, P-384, P-521, Ed25519 or RSA.
    """

    certificate: Path
    key: Path


@cache
def development_certificate() -> tuple[bytes, bytes]:
    """Returns the PEM of a chain and of its key, generated once per process and never stored.

    Its issuer is called `DEVELOPMENT`: it shows that a file is unchanged, not who made it.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )
    from cryptography.x509.oid import ExtendedKeyUsageOID

    from motioncast.provenance.certificates import certificate_of, distinguished_name, key_usage

    def builder(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        name, issuer = (distinguished_name(DEVELOPMENT, one) for one in (subject, "authority"))
        return certificate_of(key.public_key(), name, issuer, _DAYS)

    authority_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    # An authority and a certificate signed by it: C2PA rejects self-signed certificates.
    authority = (
        builder("authority", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        builder("signer", key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage("digital_signature"), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    chain = b"".join(one.public_bytes(Encoding.PEM) for one in (certificate, authority))
    return chain, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
