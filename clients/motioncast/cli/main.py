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

_ROOM_FOR_BOXES: Final = 100  # columns; with fewer, boxes cut off names of options and variables


def main() -> None:
    """Runs the command line. A failure that was foreseen is one sentence on standard error."""
    signal.signal(signal.SIGTERM, _terminate)
    _print_anything()
    # gRPC's core would print its own lines beside the sentence.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    empty = empty_argument(sys.argv[1:])
    if empty is not None:
        print(f"motioncast: {empty}: is empty", file=sys.stderr)
        sys.exit(2)
    try:
        from shutil import get_terminal_size

        if get_terminal_size().columns < _ROOM_FOR_BOXES:
            os.environ.setdefault("TYPER_USE_RICH", "0")
        from typer.main import get_command  # an extra: its absence has a sentence too

        from motioncast.cli.app import app
        from motioncast.cli.plain_help import plain

        plain(get_command(app))(prog_name="motioncast")
    except KeyboardInterrupt:  # typer's own care for it begins after it was imported
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(f"motioncast: {sentence}", file=sys.stderr)
        sys.exit(1)


def _print_anything() -> None:
    """Lets a terminal that does not know a letter show a question mark in its place."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(errors="replace")


def empty_argument(arguments: Sequence[str]) -> str | None:
    """Returns the name of an option or argument that is given as nothing, None if there is none.

    No command means anything by it, and as a path it would be the current folder.
    """
    for number, argument in enumerate(arguments):
        if not argument:
            before = arguments[number - 1] if number else ""
            return before if before.startswith("-") else f"argument {number + 1}"
        if argument.startswith("--") and argument.endswith("="):
            return argument[:-1]
    return None


def _terminate(number: int, frame: FrameType | None) -> None:
    # As Ctrl-C does: whatever is open is closed, and nothing half-written stays.
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
