"""The layers that let nobody in without a token that allows the method, where tokens are asked for.

identify -> who calls (a subject instead of an address), or why not; reads no request
... the calls of each take their turn, those of an address where there is no subject ...
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
ANYBODY: Final = "*"  # who has a token, whatever it allows
NOBODY_ASKED: Final = ""  # no token is needed

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
# What is not here, reflection and the services behind the orchestrator too, is for `admin`.
SCOPES: Final[Mapping[tuple[str, str], str]] = MappingProxyType(_METHODS)

_HEADER: Final = "authorization"
_SCHEME: Final = "bearer "


class Verifies(Protocol):
    """Tells whose a token is, or raises why it counts nothing."""

    async def identity(self, token: str) -> Identity: ...


class Guard:
    """Asks every call for its token.

    Args:
        verifier: Checks tokens; None asks for none, and everybody is an address.
    """

    def __init__(self, verifier: Verifies | None) -> None:
        self._verifier = verifier

    async def identify(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed as its subject's, or with the reason why it may not."""
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
        """Lets the call proceed if it may.

        Raises:
            UnauthenticatedError: It has no token that counts.
            ForbiddenError: It has one that does not allow this.
            UnavailableError: The keys to check it with cannot be had.
        """
        if call.refusal is not None:
            raise call.refusal
        await proceed(call)


def _allows(scopes: frozenset[str], scope: str) -> bool:
    return ADMIN in scopes or scope in scopes or scope == ANYBODY


def _forbidden(call: Call, scope: str) -> ForbiddenError:
    return ForbiddenError(f"token: it does not allow {call.method}, which takes the scope {scope}")


def _token(context: Context) -> str:
    given = [value for name, value in context.invocation_metadata() or () if name == _HEADER]
    if len(given) != 1 or not isinstance(given[0], str):
        raise UnauthenticatedError("token: this server asks for one (authorization: Bearer ...)")
    scheme, token = given[0][: len(_SCHEME)], given[0][len(_SCHEME) :].strip()
    if scheme.lower() != _SCHEME or not token or not token.isascii():
        raise UnauthenticatedError("token: the authorization is not Bearer and a token")
    return token
