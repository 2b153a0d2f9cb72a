"""How much of the models' speed remains at the end of the whole gRPC path.

    ratio = frames/s through client, orchestrator and services / frames/s of the raw model calls

Clients (in a separate process) and services share this machine. The raw calls run on it too, and
repeat the services' requests call by call. Both are measured in turns, so that other load on the
machine affects both equally; every figure is the median over the rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import ClassVar, Final

from motioncast.bench.clients import ClientJob, ClientRun, read_clip, run_clients
from motioncast.bench.measuring import (
    Machine,
    Percentiles,
    Result,
    Stages,
    machine_here,
    percentiles,
)
from motioncast.bench.raw import RawModels
from motioncast.bench.workload import Workload
from motioncast.client import connect
from motioncast.inference import OnnxRuntimeSettings, default_repository
from motioncast.local import LocalServices, LocalSettings

STAGES: Final = ("keypoint", "predictor", "synthesis", "total")


@dataclass(frozen=True, slots=True)
class BenchSettings(Workload):
    """What to measure."""

    frames: int = 300
    least_frames: int = 60
    engine: OnnxRuntimeSettings = field(default_factory=OnnxRuntimeSettings)


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement of both paths."""

    frames_per_second: float
    raw_frames_per_second: float
    cpu_ms_per_frame: float  # of services and clients, summed over all cores
    raw_cpu_ms_per_frame: float

    @property
    def ratio(self) -> float:
        return self.frames_per_second / self.raw_frames_per_second


@dataclass(frozen=True, slots=True)
class StreamsResult:
    """The result for one number of concurrent streams; medians over the rounds."""

    streams: int
    frames: int  # of each round, summed over all streams
    frames_per_second: float  # through the whole gRPC path, summed over all streams
    raw_frames_per_second: float  # of the same model calls alone
    ratio: float  # of the two
    cpu_ms_per_frame: float  # of services and clients, summed over all cores
    raw_cpu_ms_per_frame: float  # of the same model calls alone
    mean_group_frames: float  # processed by the services at once
    first_frame: Percentiles  # from a stream's first message to its first frame
    latency: dict[str, Percentiles]  # of each stage; total starts at the group's last message
    rounds: tuple[Round, ...]


@dataclass(frozen=True, slots=True)
class BenchResult(Result):
    """The output of `motioncast bench` and its `--json`."""

    SCHEMA: ClassVar = "motioncast.bench/1"

    machine: Machine
    model: str
    pixels: str
    observed: int
    predicted: int
    intra_op_threads: int  # per inference
    max_concurrent_runs: int  # inferences at once
    results: tuple[StreamsResult, ...]


async def bench_streams(settings: BenchSettings, stages: Stages) -> BenchResult:
    """Measures frames/s through the whole gRPC path and of the model calls alone.

    Args:
        settings: What to measure.
        stages: Shows progress.

    Raises:
        BenchError: A setting is out of range.
        MotioncastError, DomainError: The video or the models cannot be read, or the model is not
            served.
    """
    settings.check()
    repository = settings.repository or default_repository()
    machine = machine_here()
    local_settings = LocalSettings(
        repository=repository,
        default_model=settings.model,
        engine=settings.engine,
        orchestrator=settings.limits(),
    )
    async with LocalServices(local_settings) as local:
        async with connect(local.target) as service:
            info = await service.server_info(timeout=30)
        model = info.models[0]
        clip = read_clip(settings.video, model.height)
        raw = RawModels(repository, model.name, settings.engine, clip)

        def job(streams: int, frames: int) -> ClientJob:
            return settings.job(local.target, model.height, streams, frames)

        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as clients:
            results = await _measure(settings, stages, job, clients, raw)
    return BenchResult(
        machine=machine,
        model=model.name,
        pixels=f"{model.width} x {model.height}",
        observed=settings.observed,
        predicted=settings.predicted,
        intra_op_threads=settings.engine.intra_op_threads,
        max_concurrent_runs=settings.engine.max_concurrent_runs,
        results=results,
    )


async def _measure(
    settings: BenchSettings,
    stages: Stages,
    job: Callable[[int, int], ClientJob],
    clients: ProcessPoolExecutor,
    raw: RawModels,
) -> tuple[StreamsResult, ...]:
    loop = asyncio.get_running_loop()
    group = settings.observed + settings.predicted
    warm = await loop.run_in_executor(clients, run_clients, job(2, 4 * group))
    await asyncio.to_thread(raw.run, warm.groups, 2)
    advance = stages("measuring", 2 * settings.rounds * len(settings.streams))
    runs: dict[int, list[ClientRun]] = {count: [] for count in settings.streams}
    measured: dict[int, list[Round]] = {count: [] for count in settings.streams}
    for _ in range(settings.rounds):
        for count in settings.streams:
            frames = settings.frames_of_each(count)
            cpu = time.process_time()
            run = await loop.run_in_executor(clients, run_clients, job(count, frames))
            cpu_seconds = time.process_time() - cpu + run.cpu_seconds
            advance()
            cpu = time.process_time()
            seconds = await asyncio.to_thread(raw.run, run.groups, count)
            raw_cpu_seconds = time.process_time() - cpu
            advance()
            runs[count].append(run)
            measured[count].append(
                Round(
                    frames_per_second=run.frames / run.seconds,
                    raw_frames_per_second=run.frames / seconds,
                    cpu_ms_per_frame=1000 * cpu_seconds / run.frames,
                    raw_cpu_ms_per_frame=1000 * raw_cpu_seconds / run.frames,
                )
            )
    return tuple(_result(count, runs[count], measured[count]) for count in settings.streams)


def _result(streams: int, runs: list[ClientRun], rounds: list[Round]) -> StreamsResult:
    timings = [timings for run in runs for timings in run.timings]
    groups = [group.frames for run in runs for group in run.groups]
    first = [1000 * seconds for run in runs for seconds in run.first_frame_seconds]

    def median(name: str) -> float:
        return float(statistics.median(getattr(one, name) for one in rounds))

    return StreamsResult(
        streams=streams,
        frames=runs[0].frames,
        frames_per_second=median("frames_per_second"),
        raw_frames_per_second=median("raw_frames_per_second"),
        ratio=median("ratio"),
        cpu_ms_per_frame=median("cpu_ms_per_frame"),
        raw_cpu_ms_per_frame=median("raw_cpu_ms_per_frame"),
        mean_group_frames=statistics.fmean(groups),
        first_frame=percentiles(first),
        latency={
            stage: percentiles([getattr(one, f"{stage}_ms") for one in timings]) for stage in STAGES
        },
        rounds=tuple(rounds),
    )
