"""The entry point of `motioncast`: exit code 0 ok, 1 failed, 2 wrong usage, 130 and 143 stopped."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from types import FrameType
from typing import Final

from motioncast.cli.failures import explain

_ROOM_FOR_BOXES: Final = 100  # columns; with fewer, boxes truncate names of options and variables


def main() -> None:
    """Runs the command line. An expected failure prints one sentence to standard error."""
    signal.signal(signal.SIGTERM, _terminate)
    _print_anything()
    # gRPC's core would print its own messages as well.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    empty = empty_argument(sys.argv[1:])
    if empty is not None:
        print(f"motioncast: {empty}: is empty", file=sys.stderr)
        sys.exit(2)
    try:
        from shutil import get_terminal_size

        if get_terminal_size().columns < _ROOM_FOR_BOXES:
            os.environ.setdefault("TYPER_USE_RICH", "0")
        from typer.main import get_command  # an extra: its absence has an error message too

        from motioncast.cli.app import app
        from motioncast.cli.plain_help import plain

        plain(get_command(app))(prog_name="motioncast")
    except KeyboardInterrupt:  # typer only handles it once it has been imported
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(f"motioncast: {sentence}", file=sys.stderr)
        sys.exit(1)


def _print_anything() -> None:
    """Makes terminals show a question mark for letters that they cannot print."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(errors="replace")


def empty_argument(arguments: Sequence[str]) -> str | None:
    """Returns the name of an option or argument that is given as empty, None if there is none.

    No command accepts an empty value, and as a path it would be the current folder.
    """
    for number, argument in enumerate(arguments):
        if not argument:
            before = arguments[number - 1] if number else ""
            return before if before.startswith("-") else f"argument {number + 1}"
        if argument.startswith("--") and argument.endswith("="):
            return argument[:-1]
    return None


def _terminate(number: int, frame: FrameType | None) -> None:
    # As for Ctrl-C: open resources are closed, and nothing half-written stays.
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
