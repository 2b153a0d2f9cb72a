"""Groups processed by three services versus one ensemble, on every available engine, in one run.

The same streams send the same clip to both pipelines, in turns, so that other load on the machine
affects both equally. Engines run one after another: even an idle server takes memory.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from typing import ClassVar, Final, get_args

from motioncast.bench.clients import ClientRun, run_clients
from motioncast.bench.measuring import (
    Machine,
    Percentiles,
    Result,
    Stages,
    machine_here,
    percentiles,
)
from motioncast.bench.workload import Workload
from motioncast.client import connect
from motioncast.local import LocalServices, LocalSettings, Pipeline
from motioncast.local.engines import EngineOptions, make_engine

PIPELINES: Final[tuple[Pipeline, ...]] = get_args(Pipeline)


@dataclass(frozen=True, slots=True)
class PipelinesSettings(Workload):
    """What to measure."""

    engines: tuple[str, ...] = ("inprocess", "triton")


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """The result for one engine, pipeline and number of streams; medians over the rounds."""

    engine: str
    pipeline: Pipeline
    streams: int
    frames: int  # of each round, summed over all streams
    frames_per_second: float  # summed over all streams
    mean_group_frames: float  # processed at once
    first_frame: Percentiles  # from a stream's first message to its first frame
    group: Percentiles  # a group's calls, without the wait for its turn in its stream
    rounds: tuple[float, ...]  # frames/s of each round


@dataclass(frozen=True, slots=True)
class PipelinesResult(Result):
    """The output of `motioncast bench-pipelines` and its `--json`."""

    SCHEMA: ClassVar = "motioncast.bench_pipelines/1"

    machine: Machine
    model: str
    pixels: str
    observed: int
    predicted: int
    results: tuple[PipelineResult, ...]


async def bench_pipelines(settings: PipelinesSettings, stages: Stages) -> PipelinesResult:
    """Measures frames/s and latency of both pipelines on each engine.

    Args:
        settings: What to measure.
        stages: Shows progress.

    Raises:
        BenchError: A setting is out of range.
        MotioncastError, DomainError: The video or the models cannot be read, an engine is not
            installed, or a configuration has no ensembles.
    """
    settings.check()
    machine = machine_here()
    results: list[PipelineResult] = []
    model = pixels = ""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as clients:
        for name in settings.engines:
            steps = settings.rounds * len(settings.streams) * len(PIPELINES)
            advance = stages(name, steps)
            async with AsyncExitStack() as exits:
                engine = await exits.enter_async_context(
                    make_engine(name, EngineOptions(settings.repository))
                )
                running = {
                    pipeline: await exits.enter_async_context(
                        LocalServices(_local_settings(settings, pipeline), engine)
                    )
                    for pipeline in PIPELINES
                }
                async with connect(running["services"].target) as service:
                    info = (await service.server_info(timeout=30)).models[0]
                model, pixels = info.name, f"{info.width} x {info.height}"
                targets = {pipeline: local.target for pipeline, local in running.items()}
                results += await _measure(name, settings, targets, info.height, clients, advance)
    return PipelinesResult(
        machine, model, pixels, settings.observed, settings.predicted, tuple(results)
    )


def _local_settings(settings: PipelinesSettings, pipeline: Pipeline) -> LocalSettings:
    return LocalSettings(
        default_model=settings.model, pipeline=pipeline, orchestrator=settings.limits()
    )


async def _measure(
    name: str,
    settings: PipelinesSettings,
    targets: dict[Pipeline, str],
    size: int,
    clients: ProcessPoolExecutor,
    advance: Callable[[], None],
) -> list[PipelineResult]:
    loop = asyncio.get_running_loop()

    async def run(pipeline: Pipeline, streams: int, frames: int) -> ClientRun:
        job = settings.job(targets[pipeline], size, streams, frames)
        return await loop.run_in_executor(clients, run_clients, job)

    for pipeline in PIPELINES:  # to warm up
        await run(pipeline, 2, 2 * (settings.observed + settings.predicted))
    runs: dict[tuple[Pipeline, int], list[ClientRun]] = {}
    for turn in range(settings.rounds):
        for streams in settings.streams:
            for pipeline in PIPELINES if turn % 2 == 0 else PIPELINES[::-1]:
                done = await run(pipeline, streams, settings.frames_of_each(streams))
                runs.setdefault((pipeline, streams), []).append(done)
                advance()
    return [_result(name, pipeline, streams, done) for (pipeline, streams), done in runs.items()]


def _result(engine: str, pipeline: Pipeline, streams: int, runs: list[ClientRun]) -> PipelineResult:
    speeds = tuple(run.frames / run.seconds for run in runs)
    first = [1000 * seconds for run in runs for seconds in run.first_frame_seconds]
    calls = [
        one.keypoint_ms + one.predictor_ms + one.synthesis_ms + one.ensemble_ms
        for run in runs
        for one in run.timings
    ]
    return PipelineResult(
        engine=engine,
        pipeline=pipeline,
        streams=streams,
        frames=runs[0].frames,
        frames_per_second=statistics.median(speeds),
        mean_group_frames=statistics.fmean(group.frames for run in runs for group in run.groups),
        first_frame=percentiles(first),
        group=percentiles(calls),
        rounds=speeds,
    )
