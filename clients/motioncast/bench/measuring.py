"""What all benchmarks share: progress, checks, percentiles, and the description of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from motioncast.inference import OnnxRuntimeSettings

# Begins a stage with a number of steps; calling the result advances it by one.
Stages: TypeAlias = Callable[[str, int | None], Callable[[], None]]


class BenchError(ValueError):
    """The measurement is not possible; the text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine on which it was measured."""

    processor: str
    cores: int  # available to this process
    load_before: float  # mean number of running processes in the minute before
    python: str
    onnxruntime: str
    grpcio: str


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a latency over all streams and rounds, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    """The output of a benchmark and its `--json`."""

    SCHEMA: ClassVar[str]

    def as_json(self) -> dict[str, Any]:
        """Returns the result as JSON types."""
        return {"schema": self.SCHEMA, **asdict(self)}


def machine_here() -> Machine:
    """Returns this machine's description."""
    return Machine(
        processor=_processor(),
        cores=OnnxRuntimeSettings().intra_op_threads,
        load_before=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
        python=platform.python_version(),
        onnxruntime=version("onnxruntime"),
        grpcio=version("grpcio"),
    )


def percentiles(values: list[float]) -> Percentiles:
    """Returns the percentiles of values in milliseconds."""
    return Percentiles(*(float(value) for value in np.percentile(values, [50, 95, 99])))


def refuse_below(least: int, **numbers: int) -> None:
    """Raises BenchError for the first number that is less than `least`."""
    for name, number in numbers.items():
        if number < least:
            raise BenchError(f"{name}: {number} is less than {least}")


def refuse_none_or_below(least: int, name: str, numbers: Sequence[int]) -> None:
    """Raises BenchError if there are no numbers, or one is less than `least`."""
    if not numbers or min(numbers) < least:
        raise BenchError(f"{name}: expected at least one value, each {least} or more")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
