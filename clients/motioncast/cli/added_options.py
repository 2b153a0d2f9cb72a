"""Options that several commands share, defined once and added to a command at registration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_type_hints

import typer

F = TypeVar("F", bound=Callable[..., Any])
Options = Mapping[str, tuple[Any, Any]]  # by parameter name: annotation for typer, default

_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY


def with_options(
    command: F, options: Options, given: Callable[[dict[str, Any]], AbstractContextManager[None]]
) -> F:
    """Returns a command that takes additional options.

    Args:
        command: The command to extend.
        options: The options to add.
        given: Called with their values by name; the command runs within its context manager.
    """

    @wraps(command)
    def run(*arguments: Any, **values: Any) -> Any:
        own = {name: values.pop(name) for name in options if name in values}
        with given({**{name: default for name, (_, default) in options.items()}, **own}):
            return command(*arguments, **values)

    hints = get_type_hints(command, include_extras=True)
    parameters = [
        one.replace(annotation=hints.get(one.name, one.annotation))
        for one in inspect.signature(command).parameters.values()
    ]
    added = [
        inspect.Parameter(name, _KEYWORD, default=default, annotation=kind)
        for name, (kind, default) in options.items()
    ]
    run.__signature__ = inspect.Signature([*parameters, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {}
    result: Any = run
    return result  # type: ignore[no-any-return]


def file_option(option: str, help: str) -> tuple[Any, None]:
    """Returns an option for a file, which can also be set by a variable MOTIONCAST_..."""
    variable = "MOTIONCAST_" + option.lstrip("-").upper().replace("-", "_")
    kind = Annotated[Path | None, typer.Option(option, envvar=variable, metavar="FILE", help=help)]
    return kind, None
