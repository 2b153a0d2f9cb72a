"""The short benchmarks, rerun on this machine: what they print becomes a file of `measured`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from figures.drawing import MEASURED, Content
from motioncast.bench.measuring import machine_here

OURS: Final = "motioncast: a picture as AVIF, then coded keypoints"


def measure() -> None:
    """Reruns every short benchmark, one after the other, and replaces its file.

    Raises subprocess.CalledProcessError for one that fails; what it printed says why.
    """
    for file, benchmark in BENCHMARKS.items():
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder, "result.json")
            options = ["--out", folder] if benchmark.writes else []
            command = [*benchmark.command, *options, "--json", str(result), "--quiet"]
            subprocess.run([sys.executable, "-m", "motioncast.cli.main", *command], check=True)
            rows = benchmark.rows(json.loads(result.read_text("utf-8")))
        machine = machine_here()
        content = {
            "date": date.today().isoformat(),
            "machine": {"processor": machine.processor, "cores": machine.cores},
            "command": " ".join(["motioncast", *benchmark.command]),
            "rows": rows,
        }
        (MEASURED / f"{file}.json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def rows_of_report(report: Content) -> list[dict[str, Any]]:
    """Returns what `motioncast demo` sent, and what video codecs need for the same frames."""
    counts = report["bytes"]
    size = sum(counts[kind] for kind in ("config", "source", "frames", "keypoints"))
    seconds = report["frames"]["total"] / report["configuration"]["frame_rate"]
    ours = (OURS, size, 8 * size / seconds, report["quality"]["all"]["psnr_db"])
    others = [
        (one["codec"], one["bytes"], one["bits_per_second"], one["psnr_db"])
        for one in report["rivals"]
    ]
    return [
        {"name": name, "bytes": bytes_, "kbit_per_second": rate / 1000, "psnr_db": psnr}
        for name, bytes_, rate, psnr in (ours, *others)
    ]


def rows_of_bench(result: Content) -> list[dict[str, Any]]:
    """Returns frames/s of `motioncast bench`, by streams."""
    names = ("streams", "frames_per_second", "raw_frames_per_second", "ratio")
    return [{name: one[name] for name in names} for one in result["results"]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A command that ends within minutes, and the rows that its JSON gives."""

    command: Sequence[str]
    rows: Callable[[Content], list[dict[str, Any]]]
    writes: bool = False  # a folder of results beside its JSON


BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    "demo": Benchmark(("demo", "--force"), rows_of_report, writes=True),
    "bench_lite128": Benchmark(("bench", "--model", "lite128"), rows_of_bench),
}
