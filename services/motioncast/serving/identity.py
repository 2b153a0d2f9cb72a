"""The identity of a caller: the subject of its token, or else its address."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from motioncast.serving.call import Context
from motioncast.wire.errors import InvalidInputError

TOKEN_PEER: Final = "token:"  # prefix of peers that are subjects; no address has it
_IDENTITY: ContextVar[str] = ContextVar("identity", default="")


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """How tokens are checked.

    Raises:
        InvalidInputError: The issuer or audience is missing, or the leeway is out of range.
    """

    keys: Path | None = None  # JWKS or PEM; reloaded when it changes
    keys_url: str | None = None  # or a URL that serves JWKS
    issuer: str = ""
    audience: str = "motioncast"
    leeway_seconds: float = 30.0  # tolerated clock skew

    def __post_init__(self) -> None:
        for field in ("issuer", "audience"):
            if not getattr(self, field):
                raise InvalidInputError.of(
                    f"token_{field}",
                    f"missing; without it tokens with any {field} would be accepted",
                )
        if not 0 <= self.leeway_seconds <= 300:
            raise InvalidInputError.of(
                "token_leeway", f"{self.leeway_seconds:g} is out of range [0, 300] seconds"
            )


@dataclass(frozen=True, slots=True)
class Identity:
    """The subject of a token, and what the token allows."""

    subject: str
    scopes: frozenset[str]


def caller(context: Context) -> str:
    """Returns the identity that the current call is accounted under: a subject or gRPC's peer."""
    return _IDENTITY.get() or context.peer()
