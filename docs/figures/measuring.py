"""Benchmarks and evaluations, rerun on this machine: each one writes a file of `measured`."""

from __future__ import annotations

import json
import shlex
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


def measure(files: Sequence[str] = ()) -> None:
    """Reruns the short benchmarks of these files, all by default, and replaces the files.

    Raises subprocess.CalledProcessError for one that fails; what it printed says why.
    """
    for file in files or BENCHMARKS:
        benchmark = BENCHMARKS[file]
        with tempfile.TemporaryDirectory() as folder:
            options = ["--out", str(Path(folder, "out"))] if benchmark.writes else []
            found = _run([*benchmark.command, *options, "--quiet"], Path.cwd())
        _write(file, benchmark.command, {"rows": benchmark.rows(found)})


def evaluate(files: Sequence[str], data: Path) -> None:
    """Reruns the evaluations of these files on the folders of videos that lie in `data`.

    Of its figures the means over clips are kept. Raises as `measure` does.
    """
    for file in files:
        found = _run(EVALUATIONS[file], data)
        kept = {name: found[name] for name in ("networks", "summary")}
        _write(file, EVALUATIONS[file], kept)


def _run(command: Sequence[str], where: Path) -> Content:
    """Runs a command of ours in a folder, and returns what it wrote as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        program = [sys.executable, "-m", "motioncast.cli.main", *command, "--json", str(result)]
        subprocess.run(program, check=True, cwd=where)
        found: Content = json.loads(result.read_text("utf-8"))
        return found


def _write(file: str, command: Sequence[str], figures: Content) -> None:
    content = {
        "date": date.today().isoformat(),
        "machine": {"processor": _processor(), "cores": machine_here().cores},
        "command": " ".join(["motioncast", *command]),
        **figures,
    }
    (MEASURED / f"{file}.json").write_text(json.dumps(_rounded(content), indent=1) + "\n", "utf-8")


def _processor() -> str:
    """Returns what the processor is called, and whether it has AVX-512, which halves times."""
    flags = Path("/proc/cpuinfo")
    wide = flags.is_file() and "avx512f" in flags.read_text("utf-8")
    return machine_here().processor + (" (AVX-512)" if wide else "")


def _rounded(value: Any) -> Any:
    """Returns the same with four digits after the point, which is more than tables show."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


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

# Evaluations that take minutes to hours and need folders of held-out videos.
EVALUATIONS: Final[Mapping[str, Sequence[str]]] = {
    file: shlex.split(f"evaluate synthesis --data {options}")
    for file, options in {
        "quality_face256_people_test": "people/test --all --frame fixed --model face256"
        " --pattern 1:0 --pattern 1:1 --pattern 5:5",
        "quality_face256_people_test_at_128": "people/test --all --frame fixed --model face256"
        " --pattern 1:0 --measure-at 128",
        "quality_face256_grid_unseen_speaker": "grid/unseen_speaker --all --frame fixed"
        " --model face256 --pattern 1:0",
        "quality_face256_grid_test": "grid/test --clips 12 --frame fixed --model face256"
        " --pattern 1:0",
        "quality_face256_classic": "classic --all --frame fixed --model face256 --pattern 1:0",
        "quality_lite128_people_test": "people/test --all --frame fixed --model lite128"
        " --pattern 1:0",
        "quality_lite128_grid_unseen_speaker": "grid/unseen_speaker --all --model lite128",
        "quality_lite128_grid_test": "grid/test --all --model lite128",
        "quality_lite128_classic": "classic --all --model lite128 --pattern 1:0",
    }.items()
}
