"""Who calls: the subject of a token, or else the address a call comes from."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from motioncast.serving.call import Context
from motioncast.wire.errors import InvalidInputError

TOKEN_PEER: Final = "token:"  # begins the name of a peer that is a subject; no address does
_IDENTITY: ContextVar[str] = ContextVar("identity", default="")


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """How tokens are checked.

    Raises:
        InvalidInputError: Issuer or audience are missing, or the leeway is out of its range.
    """

    keys: Path | None = None  # JWKS or PEM; read anew when it changes
    keys_url: str | None = None  # or where JWKS are
    issuer: str = ""
    audience: str = "motioncast"
    leeway_seconds: float = 30.0  # by which clocks may differ

    def __post_init__(self) -> None:
        for field in ("issuer", "audience"):
            if not getattr(self, field):
                raise InvalidInputError.of(
                    f"token_{field}", "missing: tokens of any would count without it"
                )
        if not 0 <= self.leeway_seconds <= 300:
            raise InvalidInputError.of("token_leeway", "is out of range [0, 300] seconds")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token it was, and what it allows."""

    subject: str
    scopes: frozenset[str]


def caller(context: Context) -> str:
    """Returns whom the present call counts as: a token's subject, or the peer in gRPC's words."""
    return _IDENTITY.get() or context.peer()
