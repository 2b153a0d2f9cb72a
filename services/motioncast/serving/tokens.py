"""Bearer tokens: signed with a key that the server knows, for this audience, and not expired.

Tokens are JWTs (RFC 7519), with scopes in `scope` (RFC 8693: space-separated) or `scp` (a list).
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jws import extract_compact

from motioncast.serving.identity import Identity, TokenSettings
from motioncast.serving.keys import Keys
from motioncast.wire.errors import UnauthenticatedError

# Only signatures made with a private key: none that a public key, or no key, could produce.
ALGORITHMS: Final = ("ES256", "ES384", "ES512", "RS256", "RS384", "PS256", "PS384", "Ed25519")
MAX_TOKEN_BYTES: Final = 4096
_KEPT: Final = 1024  # tokens with a verified signature
_KEPT_SECONDS: Final = 60.0
_WRONG: Final = {
    "iss": "issuer",
    "aud": "audience",
    "nbf": "start of validity",
    "iat": "time of issue",
}


class Verifier:
    """Verifies tokens and returns their identities.

    Raises:
        InvalidInputError: The settings name no usable keys.
    """

    def __init__(self, settings: TokenSettings) -> None:
        self._keys = Keys(settings.keys, settings.keys_url)
        self._settings = settings
        self._seen: OrderedDict[bytes, tuple[float, int, float, Identity]] = OrderedDict()

    async def identity(self, token: str) -> Identity:
        """Returns the subject of a token, and what it allows.

        Raises:
            UnauthenticatedError: It is forged, expired, for another audience, or not a token. The
                message never contains any part of it.
            UnavailableError: The keys are not available.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise UnauthenticatedError(f"token: is longer than {MAX_TOKEN_BYTES} bytes")
        digest = hashlib.sha256(token.encode()).digest()
        self._keys.look()  # otherwise a cached token would outlive its key
        known = self._known(digest)
        if known is not None:
            return known
        kid = _key_name(token)
        keys = await self._keys.current(kid)
        try:
            decoded = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):
            raise UnauthenticatedError(
                "token: it is not signed by a key that this server knows"
            ) from None
        claims: dict[str, Any] = decoded.claims
        expires = self._check(claims)
        identity = Identity(f"{claims['iss']} {claims['sub']}", _scopes(claims))
        self._remember(digest, expires, identity)
        return identity

    def _check(self, claims: dict[str, Any]) -> float:
        """Returns when a token expires, in seconds since 1970."""
        settings = self._settings
        registry = jwt.JWTClaimsRegistry(
            leeway=round(settings.leeway_seconds),
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            registry.validate(claims)
            expires = float(claims["exp"])
        except ExpiredTokenError:
            raise UnauthenticatedError("token: it has expired; get a new one") from None
        except MissingClaimError as error:
            raise UnauthenticatedError(f"token: it lacks the claim {error.claim}") from None
        except InvalidClaimError as error:
            wrong = _WRONG.get(error.claim, error.claim)
            raise UnauthenticatedError(f"token: its {wrong} is not accepted here") from None
        except (JoseError, ValueError, TypeError, OverflowError):
            raise UnauthenticatedError("token: its claims cannot be read") from None
        if not isinstance(claims["sub"], str) or isinstance(claims["exp"], bool):
            raise UnauthenticatedError("token: its claims cannot be read")
        return expires

    def _known(self, digest: bytes) -> Identity | None:
        found = self._seen.get(digest)
        if found is None:
            return None
        expires, version, until, identity = found
        leeway = self._settings.leeway_seconds
        fresh = version == self._keys.version and time.monotonic() < until
        if fresh and time.time() < expires + leeway:
            return identity
        del self._seen[digest]
        return None

    def _remember(self, digest: bytes, expires: float, identity: Identity) -> None:
        until = time.monotonic() + _KEPT_SECONDS
        self._seen[digest] = (expires, self._keys.version, until, identity)
        while len(self._seen) > _KEPT:
            self._seen.popitem(last=False)


def _key_name(token: str) -> str | None:
    """Returns the name of a token's key, before anything is fetched because of the token."""
    try:
        header = extract_compact(token.encode()).headers()
        algorithm, kid = header.get("alg"), header.get("kid")
    except (JoseError, ValueError, AttributeError, RecursionError):
        raise UnauthenticatedError("token: it is not a signed JWT") from None
    if algorithm not in ALGORITHMS:
        raise UnauthenticatedError(f"token: its algorithm is not one of {', '.join(ALGORITHMS)}")
    return kid if isinstance(kid, str) else None


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    words = claims.get("scope", claims.get("scp", ""))
    if isinstance(words, str):
        words = words.split()
    if not isinstance(words, list):
        return frozenset()
    return frozenset(one for one in words if isinstance(one, str))
