"""Breaks real processes, connections, disks, clocks and models while sessions run (`make chaos`).

    python -m chaos [--minutes 10] [--seed 0] [--faults kill,cut] [--json FILE] [--folder FOLDER]

Faults are drawn at random from the seed. Visitors in a separate process know every frame that they
may receive (`chaos.visitors`). The run exits with 1 unless all of this holds:

    every frame arrives exactly once, in order, or the session ends with an error message
    no session receives a frame of another, and every frame has its computed value
    the output of a command is complete or absent
    after a fault is repaired, a new session completes within a minute
    at the end, memory, descriptors and threads are back at their initial level
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from chaos import visitors
from chaos.faults import FAULTS, FindingError
from chaos.house import House, house
from chaos.outputs import output
from chaos.processes import Usage

from motioncast.bench.measuring import machine_here
from motioncast.data.command_line import Program

ALL: Final = {**FAULTS, "output": output}
RECOVERY_SECONDS: Final = 60.0
SETTLED_SECONDS: Final = 90.0  # for usage to fall back: connections live for 60
MORE: Final = Usage(resident=48 * 2**20, descriptors=8, threads=8)  # over the baseline, at most


class Observer:
    """Reads the visitors' reports and collects violations."""

    def __init__(self) -> None:
        self.visits: list[dict[str, Any]] = []
        self.findings: list[str] = []

    def read(self, lines: Iterator[str]) -> None:
        for line in lines:
            seen = json.loads(line)
            self.visits.append(seen)
            if seen["wrong"]:
                self.find(f"session {seen['session']} at {seen['target']}: {seen['wrong']}")

    def find(self, what: str) -> None:
        self.findings.append(what)
        print(f"FOUND  {what}", flush=True)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to break, and for how long."""

    minutes: float = 10.0
    seed: int = 0
    faults: Annotated[str | None, typer.Option(help="names, with commas; all where left out")] = (
        None
    )
    json: Annotated[Path | None, typer.Option(help="write what was done here")] = None
    folder: Annotated[Path | None, typer.Option(help="keep models and logs here")] = None


def break_things(options: Options, command: str) -> None:
    """Breaks things until time is up; exits with 1 if there were findings."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave no process running
    names = options.faults.split(",") if options.faults else list(ALL)
    with tempfile.TemporaryDirectory(prefix="motioncast-chaos-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        result = run(folder, names, options.minutes, options.seed)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    sys.exit(bool(result["findings"]))


def run(folder: Path, names: list[str], minutes: float, seed: int) -> dict[str, Any]:
    """Returns the faults made and their results."""
    chance, observer, done = random.Random(seed), Observer(), []
    with house(folder) as built:
        if built.clock is None and "clock" in names:
            print("no libfaketime here: clocks do not jump")
            names = [name for name in names if name != "clock"]
        for target in built.targets:
            recover(built, target)
        with visiting(built, observer, seed):
            end = time.monotonic() + 60 * minutes
            while time.monotonic() < end:
                for name in chance.sample(names, len(names)):  # every fault once per round
                    if time.monotonic() < end:
                        done.append(broken(built, observer, name, chance))
        for name, process in built.processes.items():
            if (problem := settled(built, name)) is not None:
                observer.find(f"{name}: {problem}")
            process.close()
        tracebacks = built.log().count("Traceback (most recent call last)")
    return summary(observer, done, minutes, seed, tracebacks)


def broken(built: House, observer: Observer, name: str, chance: random.Random) -> dict[str, Any]:
    """Makes one fault and repairs it; returns what, where, and the time until sessions ran."""
    try:
        what, where = ALL[name](built, chance)
    except (FindingError, TimeoutError, subprocess.TimeoutExpired) as finding:
        observer.find(f"{name}: {finding}")
        mend(built)
        return {"fault": name, "what": str(finding), "where": "", "recovered_s": None}
    began = time.monotonic()
    deployment = built.deployment(where)
    if (problem := recover(built, deployment)) is not None:
        observer.find(f"{name}: {where} {what}; afterwards {deployment}: {problem}")
    seconds = round(time.monotonic() - began, 1)
    print(f"{name:18} {where}: {what}; recovered after {seconds:.1f} s", flush=True)
    time.sleep(chance.uniform(0, 2))
    return {"fault": name, "what": what, "where": where, "recovered_s": seconds}


def mend(built: House) -> None:
    """Restarts processes that a fault left dead, so that later faults are judged on their own."""
    for process in built.processes.values():
        if process.has_ended:
            process.start()
            process.wait_until_ready()


def recover(built: House, deployment: str) -> str | None:
    """Visits until a session completes; returns a problem, or None."""
    chance, began, seen = random.Random(0), time.monotonic(), None
    while time.monotonic() < began + RECOVERY_SECONDS:
        seen = visitors.visit(built.targets[deployment], 79, chance, began)
        if seen.wrong:
            return seen.wrong
        if not seen.ended:
            for name, process in built.processes.items():
                if built.deployment(name) == deployment and process.baseline is None:
                    process.baseline = process.usage
            return None
        time.sleep(0.5)
    return f"no session ran to its end: {seen and seen.reason}"


def settled(built: House, name: str) -> str | None:
    """Waits until a process's usage is back at its baseline; returns any excess, or None."""
    process, end = built.processes[name], time.monotonic() + SETTLED_SECONDS
    before = process.baseline
    if before is None:
        return "never had a session"
    while True:
        now = process.usage
        over = [
            f"{field} {getattr(before, field)} -> {getattr(now, field)}"
            for field in ("resident", "descriptors", "threads")
            if getattr(now, field) > getattr(before, field) + getattr(MORE, field)
        ]
        if not over or time.monotonic() > end:
            return ", ".join(over) or None
        time.sleep(1)


@contextmanager
def visiting(built: House, observer: Observer, seed: int) -> Iterator[None]:
    """Runs visitors during the block, then waits until the last one has finished."""
    targets = [f"{name}={target}" for name, target in built.targets.items()]
    command = [sys.executable, "-m", "chaos.visitors", str(seed), *targets]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=observer.read, args=(process.stdout,))
        reader.start()
        try:
            yield
        finally:
            assert process.stdin is not None
            process.stdin.close()
            reader.join(visitors.LONGEST_SECONDS + 60)
            if reader.is_alive():
                observer.find("a visitor never came back")
                process.kill()


def summary(
    observer: Observer, done: list[dict[str, Any]], minutes: float, seed: int, tracebacks: int
) -> dict[str, Any]:
    """Prints and returns a summary of faults, sessions and findings."""
    ended = Counter(seen["ended"] or "whole" for seen in observer.visits)
    machine = machine_here()
    rows = []
    for name in ALL:
        recovered = sorted(one["recovered_s"] or 0.0 for one in done if one["fault"] == name)
        if recovered:
            middle = recovered[len(recovered) // 2]
            rows.append(
                {
                    "fault": name,
                    "times": len(recovered),
                    "median_s": middle,
                    "longest_s": recovered[-1],
                }
            )
    frames = sum(seen["frames"] for seen in observer.visits)
    print(f"{len(done)} faults; {len(observer.visits)} sessions, {frames} frames: {dict(ended)}")
    print(f"{len(observer.findings)} findings; {tracebacks} tracebacks in the logs; seed {seed}")
    return {
        "date": date.today().isoformat(),
        "machine": {"processor": machine.processor, "cores": machine.cores},
        "command": f"make chaos MINUTES={minutes:g} SEED={seed}",
        "rows": rows,
        "sessions": dict(ended),
        "frames": frames,
        "tracebacks": tracebacks,
        "findings": observer.findings,
        "faults": done,
    }


main = Program("python -m chaos", Options, break_things, __doc__)


if __name__ == "__main__":
    main()
