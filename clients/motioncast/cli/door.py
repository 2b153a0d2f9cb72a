"""What a command shows a server that it connects to: five options, the same for every command."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypedDict, TypeVar, get_type_hints

import typer

if TYPE_CHECKING:
    from motioncast.client import Tls, Token

TOKEN_VARIABLE: Final = "MOTIONCAST_TOKEN"

_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Shown:
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token_file: Path | None = None


class Credentials(TypedDict):
    """The arguments of `connect` that say what a client trusts and shows."""

    tls: Tls | None
    token: Token | None


_NOTHING: Final = _Shown()
_SHOWN: ContextVar[_Shown] = ContextVar("shown", default=_NOTHING)


def credentials() -> Credentials:
    """Returns what the options of the command that runs say, and MOTIONCAST_TOKEN.

    A file of a token is read again when it has changed.
    """
    from motioncast.client import Tls
    from motioncast.wire.token_file import TokenFile

    shown = _SHOWN.get()
    encrypted = any((shown.tls, shown.ca, shown.certificate, shown.key))
    tls = Tls(shown.ca, shown.certificate, shown.key) if encrypted else None
    token: Token | None = os.environ.get(TOKEN_VARIABLE) or None
    if shown.token_file is not None:
        token = TokenFile(shown.token_file)
        token()  # said now, not in the middle of a call
    return Credentials(tls=tls, token=token)


def connecting(command: F) -> F:
    """Returns a command that takes the five options too, for `credentials`."""

    @wraps(command)
    def run(
        *arguments: Any,
        tls: bool = False,
        tls_ca: Path | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        token_file: Path | None = None,
        **options: Any,
    ) -> Any:
        reset = _SHOWN.set(_Shown(tls, tls_ca, tls_cert, tls_key, token_file))
        try:
            return command(*arguments, **options)
        finally:
            _SHOWN.reset(reset)

    hints = get_type_hints(command, include_extras=True)
    own = [
        one.replace(annotation=hints.get(one.name, one.annotation))
        for one in inspect.signature(command).parameters.values()
    ]
    added = [
        inspect.Parameter(name, _KEYWORD, default=default, annotation=kind)
        for name, (kind, default) in _OPTIONS.items()
    ]
    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {}
    result: Any = run
    return result  # type: ignore[no-any-return]


def _file(option: str, help: str) -> tuple[Any, None]:
    variable = "MOTIONCAST_" + option.lstrip("-").upper().replace("-", "_")
    kind = Annotated[Path | None, typer.Option(option, envvar=variable, metavar="FILE", help=help)]
    return kind, None


_TLS: Final = Annotated[
    bool,
    typer.Option(
        "--tls", envvar="MOTIONCAST_TLS", help="Connect over TLS; implied by the files below."
    ),
]
_OPTIONS: Final[dict[str, tuple[Any, Any]]] = {
    "tls": (_TLS, False),
    "tls_ca": _file("--tls-ca", "PEM of the authorities that sign the server's certificate."),
    "tls_cert": _file("--tls-cert", "PEM to show the server, with its key, where it asks."),
    "tls_key": _file("--tls-key", "PEM of that key."),
    "token_file": _file("--token-file", "Token to bring; or MOTIONCAST_TOKEN, the token itself."),
}
