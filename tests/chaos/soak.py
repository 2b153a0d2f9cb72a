"""Measures how fast the server's memory grows while sessions come and go for an hour (`make soak`).

    python -m chaos.soak [--minutes 60] [--model lite128] [--json FILE]

Starts its own `motioncast serve` and visitors of every kind: frames and keypoints, floats and
coded, all patterns and outputs; some leave half way, some are refused. The server's resident
memory, descriptors and threads are sampled every few seconds. The first ten minutes, or half of a
shorter run, are warm-up, in which the allocator's pools fill. For the rest, a least-squares slope
with its 95 % interval is fitted to the means of equal stretches. Exits with 1 if the slope exceeds
1 MiB per minute.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from chaos.processes import Process, Usage, free_row
from scipy.stats import t as student

from motioncast.bench.measuring import machine_here
from motioncast.client import MotioncastError, SyncService, connect_sync
from motioncast.client.types import Encoding, Model, Pixels
from motioncast.client.video import read_video
from motioncast.data.command_line import Program

CLIP: Final = Path(__file__).parents[2] / "clients/motioncast/cli/assets/grid_sbwu5s.mp4"
LIMIT_MIB: Final = 1.0  # per minute
STRETCHES: Final = 20  # means are fitted, as neighbouring samples are correlated
WARMING_MINUTES: Final = 10.0
_SAMPLE_SECONDS: Final = 5.0
_VISITORS: Final = 3
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope of values over time, by least squares."""

    per_minute: float
    low: float  # of the 95 % interval
    high: float

    @classmethod
    def of(cls, minutes: Sequence[float], values: Sequence[float]) -> Slope:
        """Fits the means of STRETCHES equal parts, or fewer if there are fewer values."""
        parts = min(STRETCHES, len(values))
        x = np.array([part.mean() for part in np.array_split(np.asarray(minutes), parts)])
        y = np.array([part.mean() for part in np.array_split(np.asarray(values), parts)])
        away = x - x.mean()
        slope = float(away @ y / (away @ away))
        rest = y - y.mean() - slope * away
        error = float(np.sqrt(rest @ rest / (parts - 2) / (away @ away)))
        wide = float(student.ppf(0.975, parts - 2)) * error
        return cls(slope, slope - wide, slope + wide)


def visit(target: str, model: str, frames: Sequence[Pixels], chance: random.Random) -> str:
    """Runs one session of a random kind; returns the kind and how it ended."""
    kind = chance.choice(("frames", "frames", "floats", "coded", "leaves", "refused"))
    try:
        with connect_sync(target, timeout=60) as service:
            served = next(one for one in service.server_info().models if one.name == model)
            ended = _run(service, kind, served, frames, chance)
    except MotioncastError as error:
        ended = "refused" if kind == "refused" else type(error).__name__
    return f"{kind}: {ended}"


def _run(
    service: SyncService, kind: str, model: Model, frames: Sequence[Pixels], chance: random.Random
) -> str:
    options: Any = {
        "model": "nobody" if kind == "refused" else model.name,
        "observed": chance.randint(1, 6),
        "predicted": chance.randint(0, 6),
        "output": chance.choice(("rgb8", "jpeg", "png")),
        "timeout": 300,
    }
    count = chance.randint(5, 40)
    video = [*frames[:count]]
    if kind in ("floats", "coded"):
        walk = np.random.default_rng(chance.randrange(2**32)).normal(
            0, 0.01, (count, model.keypoints, 2)
        )
        points = np.full((count, model.keypoints, 3), 0.5, np.float32)
        points[..., :2] = np.clip(walk.cumsum(axis=0), -1, 1)
        stream = service.stream_keypoints(
            list(points),
            source=video[0],
            source_keypoints=points[0],
            **{**options, "keypoint_encoding": kind},
        )
    else:
        encoding: Encoding = chance.choice(("rgb8", "jpeg", "png"))
        stream = service.stream(video, encoding=encoding, **options)
    for frame in stream:
        if kind == "leaves" and frame.index >= count // 2:
            stream.close()
            return "left"
    return "whole"


def soak(minutes: float, model: str, folder: Path, seed: int) -> dict[str, Any]:
    """Returns the samples, the slope and counts of the sessions."""
    with read_video(CLIP, 128) as video:
        frames = list(video.frames)
    first = free_row(16)
    server = Process(
        "server",
        [
            "--model",
            model,
            "--log-level",
            "WARNING",
            "--max-sessions-per-peer",
            "64",
            "--latency-target",
            "0",
        ],
        folder / "server.log",
        (first, first + 8),
    )
    server.start()
    over, ended = threading.Event(), Counter[str]()

    def visitor(place: int) -> None:
        chance = random.Random(f"{seed} {place}")
        while not over.is_set():
            ended[visit(server.target, model, frames, chance)] += 1

    try:
        server.wait_until_ready(180)
        threads = [threading.Thread(target=visitor, args=(one,)) for one in range(_VISITORS)]
        for thread in threads:
            thread.start()
        samples = list(_sampled(server, minutes))
        over.set()
        for thread in threads:
            thread.join()
    finally:
        over.set()
        server.close()
    return _result(samples, ended, minutes, model)


def _sampled(server: Process, minutes: float) -> Iterator[tuple[float, Usage]]:
    began = time.monotonic()
    while (passed := (time.monotonic() - began) / 60) < minutes:
        yield passed, server.usage
        time.sleep(_SAMPLE_SECONDS)


def _result(
    samples: list[tuple[float, Usage]], ended: Counter[str], minutes: float, model: str
) -> dict[str, Any]:
    warm = min(WARMING_MINUTES, minutes / 2)
    kept = [one for one in samples if one[0] >= warm]
    times = [passed for passed, _ in kept]
    slope = Slope.of(times, [usage.resident / MIB for _, usage in kept])
    machine, first, last = machine_here(), kept[0][1], kept[-1][1]
    return {
        "date": date.today().isoformat(),
        "machine": {"processor": machine.processor, "cores": machine.cores},
        "command": f"make soak MINUTES={minutes:g}",
        "rows": [
            {
                "model": model,
                "minutes": round(samples[-1][0], 1),
                "warm_minutes": warm,
                "sessions": sum(ended.values()),
                "mib_per_minute": round(slope.per_minute, 4),
                "low": round(slope.low, 4),
                "high": round(slope.high, 4),
                "first_mib": round(first.resident / MIB, 1),
                "last_mib": round(last.resident / MIB, 1),
                "descriptors": [first.descriptors, last.descriptors],
                "threads": [first.threads, last.threads],
            }
        ],
        "sessions": dict(sorted(ended.items())),
        "samples": [{"minute": round(at, 2), **asdict(usage)} for at, usage in samples],
    }


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to soak, and for how long."""

    minutes: float = 60.0
    model: str = "lite128"
    seed: int = 0
    json: Annotated[Path | None, typer.Option(help="write samples and slope here")] = None


def run(options: Options, command: str) -> None:
    """Runs the soak test; exits with 1 if memory grows too fast."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave no process running
    with tempfile.TemporaryDirectory(prefix="motioncast-soak-") as folder:
        result = soak(options.minutes, options.model, Path(folder), options.seed)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    row = result["rows"][0]
    print(json.dumps({**row, "by_kind": result["sessions"]}, indent=1))
    sys.exit(row["mib_per_minute"] > LIMIT_MIB)


main = Program("python -m chaos.soak", Options, run, __doc__)


if __name__ == "__main__":
    main()
