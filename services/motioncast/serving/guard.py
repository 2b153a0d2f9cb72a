"""The layers that require a token that allows the method, on servers that use tokens.

identify -> the caller (a subject instead of an address), or the refusal; reads no request
... calls queue per subject, or per address where there is none ...
refuse   -> the status, before a place or a message is spent on the call
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, Protocol

from motioncast.serving.call import Call, Context, Proceed
from motioncast.serving.identity import _IDENTITY, TOKEN_PEER, Identity
from motioncast.wire.errors import DomainError, ForbiddenError, UnauthenticatedError

STREAM: Final = "stream"
PUBLISH: Final = "publish"
WATCH: Final = "watch"
ADMIN: Final = "admin"  # allows everything
ANYBODY: Final = "*"  # with any valid token
NOBODY_ASKED: Final = ""  # without a token

_ORCHESTRATOR: Final = "motioncast.v1.MotionTransferService"
_RELAY: Final = "motioncast.v1.RelayService"
_METHODS: Final = {
    (_ORCHESTRATOR, "Stream"): STREAM,
    (_ORCHESTRATOR, "GetServerInfo"): ANYBODY,
    (_ORCHESTRATOR, "GetCodecTables"): ANYBODY,
    (_RELAY, "Publish"): PUBLISH,
    (_RELAY, "Watch"): WATCH,
    ("grpc.health.v1.Health", "Check"): NOBODY_ASKED,  # probes have no tokens
    ("grpc.health.v1.Health", "Watch"): NOBODY_ASKED,
}
# Everything else, including reflection and the services behind the orchestrator, needs `admin`.
SCOPES: Final[Mapping[tuple[str, str], str]] = MappingProxyType(_METHODS)

_HEADER: Final = "authorization"
_SCHEME: Final = "bearer "


class Verifies(Protocol):
    """Returns the identity of a token, or raises the reason why it is not valid."""

    async def identity(self, token: str) -> Identity: ...


class Guard:
    """Requires a token from every call.

    Args:
        verifier: Checks tokens; None requires none, and callers are identified by address.
    """

    def __init__(self, verifier: Verifies | None) -> None:
        self._verifier = verifier

    async def identify(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed under its subject, or with the reason for refusing it."""
        scope = SCOPES.get((call.service, call.method), ADMIN)
        if self._verifier is None or scope == NOBODY_ASKED:
            await proceed(call)
            return
        try:
            identity = await self._verifier.identity(_token(call.context))
        except DomainError as refusal:
            await proceed(replace(call, refusal=refusal))
            return
        peer = TOKEN_PEER + identity.subject
        refused = None if _allows(identity.scopes, scope) else _forbidden(call, scope)
        reset = _IDENTITY.set(peer)
        try:
            await proceed(replace(call, peer=peer, refusal=refused))
        finally:
            _IDENTITY.reset(reset)

    async def refuse(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed if it is allowed.

        Raises:
            UnauthenticatedError: It has no valid token.
            ForbiddenError: Its token does not allow this method.
            UnavailableError: The keys to check its token with are not available.
        """
        if call.refusal is not None:
            raise call.refusal
        await proceed(call)


def _allows(scopes: frozenset[str], scope: str) -> bool:
    return ADMIN in scopes or scope in scopes or scope == ANYBODY


def _forbidden(call: Call, scope: str) -> ForbiddenError:
    return ForbiddenError(
        f"token: it does not allow {call.method}, which requires the scope {scope}"
    )


def _token(context: Context) -> str:
    given = [value for name, value in context.invocation_metadata() or () if name == _HEADER]
    if len(given) != 1 or not isinstance(given[0], str):
        raise UnauthenticatedError("token: this server requires one (authorization: Bearer ...)")
    scheme, token = given[0][: len(_SCHEME)], given[0][len(_SCHEME) :].strip()
    if scheme.lower() != _SCHEME or not token or not token.isascii():
        raise UnauthenticatedError("token: the authorization header is not Bearer and a token")
    return token
