"""Fuzzes the parsers of untrusted input (`make fuzz`): they must accept it or refuse it properly.

    python -m fuzz [TARGET ...] [--minutes 10] [--seed 0] [--json FILE]

    wire       messages of sessions, rooms and statuses, at both ends
    bitstream  streams of packets of coded keypoints, and codec tables
    image      pictures in messages and files
    video      videos in files
    settings   TOML files of `serve` and of training, variables, config.pbtxt

Each target runs in its own process for the given minutes of CPU time. A finding ends it with a
traceback and leaves the input in `fuzz-*`; the exit code is then 1.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from fuzz.fuzzing import REPORT, Target, blind, coverage, guided

from motioncast.data.command_line import Program, Refusal

try:
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]
except ImportError:  # not every platform has a wheel
    atheris = None

TARGETS: Final = ("wire", "bitstream", "image", "video", "settings")
_INSTRUMENTED: Final = ["motioncast", "PIL"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to attack, and for how long."""

    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET", help="all where left out")
    ] = None
    minutes: Annotated[float, typer.Option(help="of a processor, for each")] = 10.0
    seed: int = 0
    json: Annotated[Path | None, typer.Option(help="write what was done here")] = None
    one: Annotated[str | None, typer.Option(hidden=True)] = None


def attacked(options: Options, command: str) -> None:
    """Attacks the targets one after another; exits with 1 if there were findings."""
    if options.one:
        attack(options.one, options.minutes, options.seed)
        return
    targets = options.targets or TARGETS
    if unknown := set(targets) - set(TARGETS):
        what, expected = ", ".join(sorted(unknown)), ", ".join(TARGETS)
        raise Refusal(f"{what}: no such target (there are {expected})")
    rows = [run(one, options.minutes, options.seed) for one in targets]
    if options.json:
        write(options.json, options.minutes, rows)
    sys.exit(any(row["findings"] for row in rows))


def attack(name: str, minutes: float, seed: int) -> None:
    """Attacks one target in this process, then exits."""
    watched: Any = nullcontext()
    if atheris is not None:
        watched = atheris.instrument_imports(include=_INSTRUMENTED)
    with watched:
        target: Target = import_module(f"fuzz.{name}").TARGET
    if atheris is not None:
        guided(target, minutes, seed, atheris)
    else:
        blind(target, minutes, seed)


def run(name: str, minutes: float, seed: int) -> dict[str, Any]:
    """Attacks one target in a separate process; prints and returns the result."""
    command = [sys.executable, "-m", "fuzz", "--one", name]
    command += ["--minutes", str(minutes), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = [line for line in done.stdout.splitlines() if line.startswith(REPORT)]
    row: dict[str, Any] = {"target": name, "findings": int(done.returncode != 0 or not lines)}
    if lines:
        row |= json.loads(lines[-1].removeprefix(REPORT))
    row |= coverage(done.stderr)
    print(json.dumps(row), flush=True)
    if row["findings"]:
        print(done.stdout[-2000:], done.stderr[-6000:], sep="\n", flush=True)
    return row


def write(path: Path, minutes: float, rows: Sequence[dict[str, Any]]) -> None:
    """Writes the rows with date and machine, in the format of the documents' figures."""
    from motioncast.bench.measuring import machine_here  # late: loaded modules are not instrumented

    machine = machine_here()
    content = {
        "date": date.today().isoformat(),
        "machine": {"processor": machine.processor, "cores": machine.cores},
        "command": f"make fuzz MINUTES={minutes:g}",
        "rows": rows,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


main = Program("python -m fuzz", Options, attacked, __doc__)


if __name__ == "__main__":
    main()
