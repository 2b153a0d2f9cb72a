"""Measures the cost of observability: frames/s without metrics, with metrics, and with traces.

python tests/benchmark/observation.py [--model lite128] [--streams 4] [--frames 120] [--rounds 5]

Three processes serve: one counts nothing, one has its metrics scraped every five seconds, as
Prometheus does with our settings, and one additionally traces every session. The clients run in a
separate process, and so do scraping and collecting. Each round runs all three modes forwards, then
backwards. Prints the medians of frames/s and of CPU time per frame, which is more reliable on a
busy machine; fails if observability costs more than 2 % of frames/s.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import typer
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark.locked_doors import frames_per_second
from support.collector import collecting

from motioncast.local import LocalServices, LocalSettings, Ports
from motioncast.tracing import TraceSettings, tracing

MOST: Final = 0.02
SCRAPE_SECONDS: Final = 5.0  # deploy/prometheus/prometheus.yml
MODES: Final = ("nothing", "metrics", "metrics and traces")
WITH_HTTP: Final = Ports(grpc=0, http=0)


@dataclass(slots=True)
class Served:
    """A serving process.

    Attributes:
        target: Address for sessions.
        pages: URLs of its servers' metrics.
        pipe: Answers any message with the CPU time the process has used, in seconds; None ends it.
        results: Frames per second and CPU milliseconds per frame of each run.
    """

    target: str
    pages: list[str]
    pipe: Connection
    results: list[tuple[float, float]] = field(default_factory=list)

    def worked(self) -> float:
        """Returns the CPU seconds it has used."""
        self.pipe.send("worked?")
        return float(self.pipe.recv())


def serve(mode: str, collector: str, pipe: Connection) -> None:
    """Serves in one mode until told to stop; runs in its own process."""
    if mode == "nothing":
        count_nothing()
    traces = TraceSettings(collector if "traces" in mode else None)
    os.environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
    with tracing(traces):
        asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    settings = LocalSettings(
        orchestrator_ports=WITH_HTTP,
        keypoint_ports=WITH_HTTP,
        predictor_ports=WITH_HTTP,
        synthesis_ports=WITH_HTTP,
    )
    async with LocalServices(settings) as local:
        pages = [f"http://127.0.0.1:{one.http_port}/metrics" for one in local.servers.values()]
        pipe.send((local.target, pages))
        while await asyncio.to_thread(pipe.recv) is not None:
            pipe.send(time.process_time())


def count_nothing() -> None:
    """Makes every metric of this process ignore updates."""

    def itself(self: Any, *values: Any, **named: Any) -> Any:
        return self

    def forget(self: Any, *values: Any, **named: Any) -> None: ...

    for owner, name, instead in (
        (MetricWrapperBase, "labels", itself),
        (Counter, "inc", forget),
        (Gauge, "inc", forget),
        (Gauge, "dec", forget),
        (Gauge, "set", forget),
        (Histogram, "observe", forget),
    ):
        setattr(owner, name, instead)


@contextmanager
def asked(pages: list[str]) -> Iterator[None]:
    """Scrapes metrics as often as Prometheus does, during the block."""
    over = threading.Event()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> None:
        while not over.wait(SCRAPE_SECONDS):
            for page in pages:
                with direct.open(page, timeout=10) as answer:
                    answer.read()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


@contextmanager
def serving() -> Iterator[Mapping[str, Served]]:
    """Runs the three processes."""
    context = get_context("spawn")
    with ExitStack() as exits:
        collector = exits.enter_context(collecting())
        served = {}
        for mode in MODES:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(mode, collector.endpoint, theirs))
            process.start()
            exits.callback(process.join)
            exits.callback(ours.send, None)
            target, pages = ours.recv()
            served[mode] = Served(target, pages, ours)
        yield served
    traced = {one.trace_id for one in collector.spans}
    print(f"  {len(collector.spans)} spans of {len(traced)} sessions were collected")


def main(
    model: Annotated[str, typer.Option(help="That is streamed with.")] = "lite128",
    streams: Annotated[int, typer.Option(help="Sessions at once.")] = 4,
    frames: Annotated[int, typer.Option(help="Of each.")] = 120,
    rounds: Annotated[int, typer.Option(help="Of all three, there and back.")] = 5,
) -> None:
    """Measure and print the results; exit with 1 if observability costs too much."""
    with serving() as served, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as clients:

        def run(mode: str, frames: int) -> tuple[float, float]:
            one = served[mode]
            with asked([] if mode == "nothing" else one.pages):
                worked = one.worked()
                job = clients.submit(
                    frames_per_second, one.target, None, None, model, streams, frames
                )
                rate, theirs = job.result()
                ours = 1000 * (one.worked() - worked) / (streams * frames)
            return rate, ours + theirs

        for mode in MODES:
            run(mode, 20)
        for _ in range(rounds):
            for mode in (*MODES, *reversed(MODES)):
                served[mode].results.append(run(mode, frames))
        print(f"{model}, {streams} streams of {frames} frames, 5:5, {2 * rounds} runs each")
        middle = {name: median(rate for rate, _ in one.results) for name, one in served.items()}
        work = {name: median(ms for _, ms in one.results) for name, one in served.items()}
        for mode, one in served.items():
            values = sorted(one.results)
            spread = f"({values[0][0]:.1f} to {values[-1][0]:.1f})"
            lost, more = 1 - middle[mode] / middle["nothing"], work[mode] / work["nothing"] - 1
            print(
                f"  {mode:<20} {middle[mode]:6.1f} frames/s {spread}, lost {100 * lost:.1f} %;"
                f" {work[mode]:.2f} ms of CPU a frame, {100 * more:+.1f} %"
            )
    raise typer.Exit(any(1 - rate / middle["nothing"] > MOST for rate in middle.values()))


if __name__ == "__main__":
    typer.run(main)
