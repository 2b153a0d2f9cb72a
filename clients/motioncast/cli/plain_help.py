"""What help says of flags: typer would put a kind beside them too, as if they took a value."""

from __future__ import annotations

from typing import Any

import typer


def plain(command: Any) -> Any:
    """Returns a command as typer built it; in its help and its commands' flags have no kind."""
    for one in getattr(command, "commands", {}).values():
        plain(one)
    help_option = command.get_help_option(typer.Context(command))
    for parameter in (*command.params, help_option):
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return command
