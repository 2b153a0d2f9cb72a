"""The gain or cost of dynamic batching on Triton, per model: the basis for config.pbtxt.

Several embedded Tritons that differ only in their dynamic batching serve the same models at once,
and take turns: closed loops of one to many callers, each with its own inputs.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, TypeAlias

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.bench.measuring import (
    BenchError,
    Machine,
    Percentiles,
    Result,
    Stages,
    machine_here,
    percentiles,
    refuse_below,
    refuse_none_or_below,
)
from motioncast.inference import Catalogue, Engine, ModelSet, default_repository
from motioncast.inference.catalogue import SHIPPED
from motioncast.inference.engine import Array
from motioncast.triton import TritonEngine, TritonSettings

PARTS: Final = ("keypoint", "predictor", "synthesis")
OBSERVED: Final = 5  # frames of a group that are sent
FRAMES: Final = 10  # frames of a group

Delay: TypeAlias = int | None  # microseconds that a call may wait for others; None: no batching


@dataclass(frozen=True, slots=True)
class BatchingSettings:
    """What to measure."""

    delays: tuple[Delay, ...] = (None, 0, 500, 2000)
    callers: tuple[int, ...] = (1, 4, 16)  # at once
    calls: int = 48  # per measurement, shared among the callers
    rounds: int = 3
    repository: Path | None = None  # model repository; None for the shipped one
    model: str | None = None  # configuration; None for the first


@dataclass(frozen=True, slots=True)
class BatchingResult:
    """The result for one model, number of callers and delay."""

    model: str
    callers: int
    delay_us: Delay
    calls_per_second: float  # median over the rounds
    latency: Percentiles  # of a call, over all rounds


@dataclass(frozen=True, slots=True)
class BatchingResults(Result):
    """The output of `motioncast bench-batching` and its `--json`."""

    SCHEMA: ClassVar = "motioncast.bench_batching/1"

    machine: Machine
    results: tuple[BatchingResult, ...]


async def bench_batching(settings: BatchingSettings, stages: Stages) -> BatchingResults:
    """Measures calls/s and latency of each model by delay and number of callers.

    Args:
        settings: What to measure.
        stages: Shows progress.

    Raises:
        BenchError: A setting is out of range, or there is no model.
        DomainError: The models cannot be served, or Triton is not available for this machine.
    """
    refuse_below(1, calls=settings.calls, rounds=settings.rounds)
    refuse_none_or_below(1, "callers", settings.callers)
    refuse_none_or_below(0, "delays", [delay or 0 for delay in settings.delays])
    machine = machine_here()
    repository = settings.repository or default_repository()
    name = settings.model or _default_model(repository)
    with tempfile.TemporaryDirectory(prefix="motioncast_batching_") as folder:
        async with AsyncExitStack() as exits:
            engines: dict[Delay, Engine] = {}
            advance = stages("starting", len(settings.delays))
            for delay in dict.fromkeys(settings.delays):
                root = _copy(repository, name, Path(folder, f"{delay}"), delay)
                server = TritonEngine(TritonSettings(root))
                engines[delay] = await exits.enter_async_context(server)
                advance()
            steps = len(PARTS) * len(settings.callers) * settings.rounds * len(engines)
            advance = stages("measuring", steps)
            models = Catalogue(next(iter(engines.values())), name).default
            runs: dict[tuple[str, int, Delay], list[tuple[float, list[float]]]] = {}
            for part in PARTS:
                for callers in settings.callers:
                    for _ in range(settings.rounds):
                        for delay, engine in engines.items():
                            run = await _closed_loops(engine, models, part, callers, settings.calls)
                            runs.setdefault((part, callers, delay), []).append(run)
                            advance()
    return BatchingResults(machine, tuple(_result(*key, of) for key, of in runs.items()))


def _default_model(repository: Path) -> str:
    """Returns the shipped configuration, or else the repository's first."""
    found = sorted(one.name.removesuffix("_keypoint") for one in repository.glob("*_keypoint"))
    if not found:
        raise BenchError(f"models: {repository} contains no models")
    return SHIPPED if SHIPPED in found else found[0]


def _copy(repository: Path, name: str, root: Path, delay: Delay) -> Path:
    """Copies the networks of a configuration, with different dynamic batching; returns root."""
    for part in PARTS:
        copy = root / f"{name}_{part}"
        shutil.copytree(repository / copy.name, copy)
        file = copy / "config.pbtxt"
        config = text_format.Parse(file.read_text(encoding="utf-8"), ModelConfig())
        config.ClearField("dynamic_batching")
        if delay is not None:
            config.dynamic_batching.max_queue_delay_microseconds = delay
        file.write_text(text_format.MessageToString(config), encoding="utf-8")
    return root


async def _closed_loops(
    engine: Engine, models: ModelSet, part: str, callers: int, calls: int
) -> tuple[float, list[float]]:
    """Returns calls/s and the milliseconds of each call."""
    milliseconds: list[float] = []
    name = f"{models.name}_{part}"
    inputs = [_inputs(models, part, seed) for seed in range(callers)]

    async def loop(taken: Mapping[str, Array]) -> None:
        for _ in range(max(1, calls // callers)):
            started = time.perf_counter()
            await engine.infer(name, taken)
            milliseconds.append(1000 * (time.perf_counter() - started))

    started = time.perf_counter()
    await asyncio.gather(*(loop(taken) for taken in inputs))
    return len(milliseconds) / (time.perf_counter() - started), milliseconds


def _inputs(models: ModelSet, part: str, seed: int) -> dict[str, Array]:
    """Returns a model's inputs for a group of FRAMES frames, OBSERVED of them sent."""
    generator = np.random.default_rng(seed)
    points = models.keypoints

    def images(*lead: int) -> Array:
        shape = (*lead, models.height, models.width, 3)
        return generator.integers(0, 256, shape, dtype=np.uint8)

    def keypoints(*lead: int) -> Array:
        values = generator.uniform(0, 0.5, (*lead, points, 3))
        return values.astype(np.float32)

    if part == "keypoint":
        return {"image": images(OBSERVED)}
    if part == "predictor":
        return {
            "keypoints": keypoints(1, FRAMES),
            "observed": (np.arange(FRAMES) < OBSERVED).astype(np.float32)[np.newaxis],
            "noise": np.zeros((1, FRAMES, models.noise_size), np.float32),
            "state": np.zeros((1, models.state), np.float32),
        }
    return {
        "source_image": images(1),
        "source_keypoints": keypoints(1),
        "driving_keypoints": keypoints(1, FRAMES),
    }


def _result(
    part: str, callers: int, delay: Delay, runs: list[tuple[float, list[float]]]
) -> BatchingResult:
    return BatchingResult(
        model=part,
        callers=callers,
        delay_us=delay,
        calls_per_second=statistics.median(speed for speed, _ in runs),
        latency=percentiles([one for _, latencies in runs for one in latencies]),
    )
