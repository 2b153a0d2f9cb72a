"""Common parts of all fuzzing targets: attacks, seeds and a loop for each engine.

    attack(data) -> True: accepted, False: refused with a domain error; all else is a finding

With atheris (libFuzzer), coverage of the Python code guides the mutation of seeds. Without it they
are mutated blindly by a seeded random generator.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REPORT: Final = "fuzz: "  # prefix of a run's last line
_LOOK: Final = 64  # inputs between checks of the CPU clock
_COVERAGE: Final = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


@dataclass(frozen=True, slots=True)
class Target:
    """A fuzzing target.

    Attributes:
        attack: Processes an input; returns True if it was accepted, False if it was properly
            refused. Any exception is a finding.
        seeds: Returns valid inputs to mutate.
        slowest_seconds: Largest CPU time for one input.
        longest: Largest size of an input in bytes.
    """

    attack: Callable[[bytes], bool]
    seeds: Callable[[], Sequence[bytes]]
    slowest_seconds: float = 1.0
    longest: int = 4096


class Counted:
    """Wraps an attack: counts inputs, limits the time of each, and exits when time is up."""

    def __init__(self, target: Target, minutes: float, engine: str) -> None:
        self._target, self._end, self._engine = target, 60 * minutes, engine
        self.inputs = self.accepted = 0
        self.slowest = 0.0

    def __call__(self, data: bytes) -> None:
        began = time.process_time()
        self.accepted += self._target.attack(bytes(data))
        taken = time.process_time() - began
        self.inputs += 1
        self.slowest = max(self.slowest, taken)
        assert taken < self._target.slowest_seconds, f"{taken:.1f} s for {len(data)} bytes"
        if self.inputs % _LOOK == 0 and time.process_time() > self._end:
            self.report()
            os._exit(0)  # libFuzzer cannot be stopped otherwise

    @property
    def is_over(self) -> bool:
        return time.process_time() > self._end

    def report(self) -> None:
        """Prints the results as one line of JSON."""
        found = {
            "engine": self._engine,
            "inputs": self.inputs,
            "accepted": self.accepted,
            "cpu_seconds": round(time.process_time(), 1),
            "slowest_ms": round(1000 * self.slowest, 1),
        }
        print(REPORT + json.dumps(found), flush=True)


def guided(target: Target, minutes: float, seed: int, atheris: Any) -> None:
    """Runs libFuzzer until the CPU time is used up; exits the process."""
    with tempfile.TemporaryDirectory(prefix="motioncast-fuzz-") as folder:
        for number, one in enumerate(target.seeds()):
            Path(folder, f"seed-{number}").write_bytes(one)
        options = [f"-seed={seed + 1}", f"-max_len={target.longest}", "-rss_limit_mb=3072"]
        options += ["-timeout=60", f"-artifact_prefix={os.getcwd()}/fuzz-", "-print_final_stats=0"]
        atheris.Setup([sys.argv[0], *options, folder], Counted(target, minutes, "atheris"))
        atheris.Fuzz()


def blind(target: Target, minutes: float, seed: int) -> None:
    """Mutates seeds at random until the CPU time is used up; writes a failing input to a file."""
    chance, seeds = random.Random(seed), list(target.seeds())
    counted = Counted(target, minutes, "chance")
    while not counted.is_over:
        data = mutate(chance.choice(seeds), chance)[: target.longest]
        try:
            counted(data)
        except BaseException:
            Path("fuzz-finding").write_bytes(data)
            raise
    counted.report()


def refused(refusal: Exception) -> bool:
    """Returns False for a refusal; raises AssertionError if it has no message."""
    assert str(refusal), "a refusal is a sentence"
    return False


def coverage(text: str) -> dict[str, int]:
    """Returns libFuzzer's last figures: edges, features and size of the corpus."""
    last = (_COVERAGE.findall(text) or [("0", "0", "0")])[-1]
    return dict(zip(("edges", "features", "corpus"), map(int, last), strict=True))


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Returns the bytes with some changed, deleted, inserted or duplicated."""
    spoiled = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(spoiled) + 1)
        match chance.randrange(5):
            case 0:
                spoiled[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del spoiled[place : place + chance.randint(1, 8)]
            case 2:
                spoiled[place:place] = chance.randbytes(chance.randint(1, 8))
            case 3:
                spoiled[place:place] = spoiled[place : place + chance.randint(1, 40)]
            case 4 if place < len(spoiled):
                spoiled[place] ^= 1 << chance.randrange(8)
    return bytes(spoiled) or b"\0"
