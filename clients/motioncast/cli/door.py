"""How a command authenticates to a server: five options, shared by all commands that connect."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypedDict, TypeVar

import typer

from motioncast.cli.added_options import Options, file_option, with_options

if TYPE_CHECKING:
    from motioncast.client import Tls, Token

TOKEN_VARIABLE: Final = "MOTIONCAST_TOKEN"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Shown:
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token_file: Path | None = None


class Credentials(TypedDict):
    """The arguments of `connect` for trust and authentication."""

    tls: Tls | None
    token: Token | None


_NOTHING: Final = _Shown()
_SHOWN: ContextVar[_Shown] = ContextVar("shown", default=_NOTHING)


def credentials() -> Credentials:
    """Returns the credentials from the current command's options and MOTIONCAST_TOKEN.

    A token file is read again whenever it changes.
    """
    from motioncast.client import Tls
    from motioncast.wire.token_file import TokenFile

    shown = _SHOWN.get()
    encrypted = any((shown.tls, shown.ca, shown.certificate, shown.key))
    tls = Tls(shown.ca, shown.certificate, shown.key) if encrypted else None
    token: Token | None = os.environ.get(TOKEN_VARIABLE) or None
    if shown.token_file is not None:
        token = TokenFile(shown.token_file)
        token()  # report problems now, not in the middle of a call
    return Credentials(tls=tls, token=token)


def connecting(command: F) -> F:
    """Returns a command that also takes the five options, for `credentials`."""
    return with_options(command, _OPTIONS, _given)


@contextmanager
def _given(options: dict[str, Any]) -> Iterator[None]:
    shown = _Shown(
        options["tls"],
        options["tls_ca"],
        options["tls_cert"],
        options["tls_key"],
        options["token_file"],
    )
    reset = _SHOWN.set(shown)
    try:
        yield
    finally:
        _SHOWN.reset(reset)


_TLS: Final = Annotated[
    bool,
    typer.Option(
        "--tls",
        envvar="MOTIONCAST_TLS",
        help="Connect over TLS; implied by the other --tls options.",
    ),
]
_OPTIONS: Final[Options] = {
    "tls": (_TLS, False),
    "tls_ca": file_option("--tls-ca", "PEM file of the certificate authorities to trust."),
    "tls_cert": file_option(
        "--tls-cert", "PEM file of the client certificate, for servers that require one."
    ),
    "tls_key": file_option("--tls-key", "PEM file of the key of that certificate."),
    "token_file": file_option(
        "--token-file", "File of the token to send; MOTIONCAST_TOKEN sets the token itself."
    ),
}
