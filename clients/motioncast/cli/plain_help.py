"""Help for flags: typer would show a type next to them, as if they took a value."""

from __future__ import annotations

from typing import Any

import typer


def plain(command: Any) -> Any:
    """Returns a command built by typer, without types for flags in its help and subcommands'."""
    for one in getattr(command, "commands", {}).values():
        plain(one)
    help_option = command.get_help_option(typer.Context(command))
    for parameter in (*command.params, help_option):
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return command
