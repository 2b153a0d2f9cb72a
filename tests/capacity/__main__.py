"""Measures the cost of frames and sessions, checks it on an unseen run, and extrapolates.

    python -m capacity [--model lite128] [--quick] [--json FILE]          (`make capacity`)

Needs an otherwise idle machine; the load before the start is recorded. Exits with 1 if the unseen
run differs from its prediction by more than a seventh.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from capacity.measuring import clip, kilobits_per_second, measure, served
from capacity.model import Capacity, Run

from motioncast.bench.measuring import machine_here
from motioncast.data.command_line import Program
from motioncast.inference.cores import usable_cores

MOST: Final = 1 / 7  # largest relative error of a prediction
FRAME_RATE: Final = 25.0
BUSY: Final = 0.7  # planned utilisation of a core
SESSIONS: Final = 10_000
MIB: Final = 2**20
# sessions at once, frames of each, M, N
SEEN: Final = (
    *((1, 200, 1, 0), (1, 200, 5, 5), (2, 100, 1, 1), (4, 80, 5, 5), (4, 80, 1, 0)),
    *((8, 40, 5, 5), (8, 40, 2, 6), (16, 20, 5, 5), (2, 20, 1, 0), (16, 20, 1, 0)),
)
UNSEEN: Final = (6, 72, 3, 1)
QUICK: Final = ((1, 20, 1, 0), (2, 20, 1, 1), (2, 10, 1, 0), (3, 10, 1, 3))


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    model: str = "lite128"
    size: Annotated[int, typer.Option(help="of its images, pixels")] = 128
    quick: Annotated[bool, typer.Option("--quick", help="four short runs, to try the command")] = (
        False
    )
    json: Annotated[Path | None, typer.Option(help="write all of it here")] = None


def run(options: Options, command: str) -> None:
    """Measures, fits and predicts; prints and writes the results."""
    load = os.getloadavg()[0]
    seen, cores, video = QUICK if options.quick else SEEN, usable_cores(), clip(options.size)
    with (
        tempfile.TemporaryDirectory(prefix="motioncast-capacity-") as folder,
        served(options.model, Path(folder)) as server,
    ):
        measure(server, options.model, video, 2, 20, 5, 5)  # warm-up, not counted
        runs = [measure(server, options.model, video, *case) for case in seen]
        network = kilobits_per_second(server, options.model, video, FRAME_RATE)
        unseen = UNSEEN if not options.quick else (2, 16, 3, 1)
        measured = measure(server, options.model, video, *unseen)
    fitted = Capacity.of(runs, cores)
    predicted = fitted.predict(*unseen)
    checks = compared(predicted, measured)
    result = {
        "date": date.today().isoformat(),
        "machine": {"processor": machine_here().processor, "cores": cores},
        "command": "make capacity",
        "load_before": load,
        "model": options.model,
        "fitted": asdict(fitted),
        "rows": per_frame(fitted),
        "memory": [
            {"base_mib": fitted.base_bytes / MIB, "session_mib": fitted.session_bytes / MIB}
        ],
        "network": network,
        "checked": checks,
        "paper": on_paper(fitted, network),
        "runs": [asdict(run) for run in (*runs, measured)],
    }
    text = json.dumps(rounded(result), indent=1) + "\n"
    print(json.dumps(rounded({name: result[name] for name in result if name != "runs"}), indent=1))
    if options.json:
        options.json.write_text(text, "utf-8")
    sys.exit(any(abs(row["error"]) > MOST for row in checks))


def per_frame(fitted: Capacity) -> list[dict[str, Any]]:
    """Returns frames/s per core by pattern."""
    return [
        {
            "pattern": f"{observed}:{predicted}",
            "frames_per_core": fitted.frames_per_core(observed, predicted),
            "sessions_per_core": fitted.frames_per_core(observed, predicted) * BUSY / FRAME_RATE,
        }
        for observed, predicted in ((1, 0), (1, 1), (5, 5), (2, 6))
    ]


def compared(predicted: Run, measured: Run) -> list[dict[str, Any]]:
    """Returns predicted and measured values of a run with their errors."""
    pairs = {
        "server's processor seconds": (predicted.server_seconds, measured.server_seconds),
        "frames/s, clients on the same machine": (
            predicted.all_frames / predicted.seconds,
            measured.all_frames / measured.seconds,
        ),
        "resident memory, MiB": (predicted.resident / MIB, measured.resident / MIB),
    }
    return [
        {"what": what, "predicted": before, "measured": after, "error": before / after - 1}
        for what, (before, after) in pairs.items()
    ]


def on_paper(fitted: Capacity, network: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the resources for 10,000 sessions of 25 frames/s, by pattern."""
    coded = {row["gets"]: row for row in network if row["sends"] == "coded"}
    up, jpeg, h264 = coded["jpeg"]["up_kbit_s"], *(coded[one] for one in ("jpeg", "h264"))
    return [
        {
            "sessions": SESSIONS,
            "pattern": f"{observed}:{predicted}",
            "cores": SESSIONS * FRAME_RATE / fitted.frames_per_core(observed, predicted) / BUSY,
            "memory_gib": SESSIONS * fitted.session_bytes / 2**30,
            "up_gbit_s": SESSIONS * up * observed / (observed + predicted) / 1e6,
            "down_jpeg_gbit_s": SESSIONS * jpeg["down_kbit_s"] / 1e6,
            "down_h264_gbit_s": SESSIONS * h264["down_kbit_s"] / 1e6,
        }
        for observed, predicted in ((1, 0), (5, 5))
    ]


def rounded(value: Any) -> Any:
    """Rounds all numbers to four significant digits."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


main = Program("python -m capacity", Options, run, __doc__)


if __name__ == "__main__":
    main()
