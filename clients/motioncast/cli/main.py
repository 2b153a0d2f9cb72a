"""The entry point of `motioncast`: exit code 0 ok, 1 it failed, 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import sys

from motioncast.cli.failures import explain


def main() -> None:
    """Runs the command line. A failure that was foreseen is one sentence on standard error."""
    try:
        from motioncast.cli.app import app  # typer is an extra: its absence has a sentence too

        app(prog_name="motioncast")
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(f"motioncast: {sentence}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
