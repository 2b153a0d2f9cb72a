"""Tokens for tests: genuine ones signed by a library, forged ones made by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from motioncast.serving import TokenSettings

ISSUER: Final = "https://login.test"
AUDIENCE: Final = "motioncast"


class Issuer:
    """Signs tokens with keys it can rotate.

    Args:
        file: File that its public keys are written to, as JWKS.
    """

    def __init__(self, file: Path, kid: str = "first") -> None:
        self.file = file
        self.rotate(kid)

    @property
    def settings(self) -> TokenSettings:
        """Settings of a server that accepts its tokens."""
        return TokenSettings(keys=self.file, issuer=ISSUER, audience=AUDIENCE, leeway_seconds=5)

    def rotate(self, kid: str) -> None:
        """Replaces its key."""
        self.kid = kid
        self.key: Any = ECKey.generate_key("P-256", {"kid": kid}, auto_kid=False)
        partial = self.file.with_suffix(".partial")
        partial.write_bytes(self.jwks())
        partial.replace(self.file)

    def jwks(self) -> bytes:
        """Returns the public keys as JWKS."""
        return json.dumps({"keys": [self.key.as_dict(private=False)]}).encode()

    def claims(self, scope: str = "stream", **others: Any) -> dict[str, Any]:
        """Returns valid claims with some overridden; None omits a claim."""
        now = int(time.time())
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": now,
            "exp": now + 600,
            "scope": scope,
            **others,
        }
        return {name: value for name, value in said.items() if value is not None}

    def token(self, scope: str = "stream", **others: Any) -> str:
        """Returns a valid token."""
        header = {"alg": "ES256", "kid": self.kid}
        return jwt.encode(header, self.claims(scope, **others), self.key, algorithms=["ES256"])

    def unsigned(self) -> str:
        """Returns a token with algorithm "none"."""
        return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(self.claims())}."

    def signed_with_the_public_key(self) -> str:
        """Returns a token with an HMAC keyed by the public key."""
        signed = f"{_part({'alg': 'HS256', 'kid': self.kid})}.{_part(self.claims('admin'))}"
        mac = hmac.new(self.key.as_pem(private=False), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{_text(mac)}"

    def altered(self) -> str:
        """Returns a token whose claims were altered after signing."""
        head, _, signature = self.token().split(".")
        return f"{head}.{_part(self.claims('admin'))}.{signature}"

    def by_a_stranger(self) -> str:
        """Returns a token signed with another key under this issuer's key id."""
        stranger = ECKey.generate_key("P-256", auto_kid=False)
        header = {"alg": "ES256", "kid": self.kid}
        return jwt.encode(header, self.claims("admin"), stranger, algorithms=["ES256"])

    def in_another_way(self) -> str:
        """Returns a token signed with an algorithm that is not accepted, RS512."""
        key = RSAKey.generate_key(2048, auto_kid=False)
        return jwt.encode({"alg": "RS512"}, self.claims(), key, algorithms=["RS512"])


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Returns call metadata with a token."""
    return (("authorization", f"Bearer {token}"),)


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
