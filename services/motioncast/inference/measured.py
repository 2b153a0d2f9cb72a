"""Measures an engine's runs for Prometheus, and ends them at the caller's deadline."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Gauge, Histogram

from motioncast.inference.engine import Array, Engine, Inference, TensorMetadata
from motioncast.inference.model_metrics import ModelCollector
from motioncast.tracing import span
from motioncast.wire.errors import DeadlineError, UnavailableError, UnknownModelError

_FRAMES: Final = (1, 2, 4, 8, 16, 32, 64, 128)  # that a run produces or processes
# A forecast takes a millisecond, the synthesis of a long group seconds.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """The collectors for the runs that a server requests."""

    seconds: Histogram
    wait_seconds: Histogram
    batch_frames: Histogram
    in_flight: Gauge

    @classmethod
    def on(cls, registry: CollectorRegistry) -> EngineMetrics:
        """Returns new collectors on a registry."""
        return cls(
            Histogram(
                "motioncast_inference_seconds",
                "Seconds a model ran, without queueing.",
                ("model",),
                registry=registry,
                buckets=_SECONDS,
            ),
            Histogram(
                "motioncast_inference_wait_seconds",
                "Seconds of a run outside the model: queueing and transport to the engine.",
                ("model",),
                registry=registry,
                buckets=_SECONDS,
            ),
            Histogram(
                "motioncast_inference_batch_frames",
                "Frames per run: its batch size times the length of its timeline.",
                ("model",),
                registry=registry,
                buckets=_FRAMES,
            ),
            Gauge(
                "motioncast_inferences_in_flight",
                "Model runs requested but not finished.",
                registry=registry,
            ),
        )


_metrics: WeakKeyDictionary[CollectorRegistry, EngineMetrics] = WeakKeyDictionary()


class MeasuredEngine:
    """Runs models for one service.

    Args:
        engine: Runs them; may be shared.
        registry: Where its runs and models are shown (`EngineMetrics`, `ModelCollector`). Services
            that share a registry share the collectors.
    """

    def __init__(self, engine: Engine, registry: CollectorRegistry) -> None:
        self._engine = engine
        if registry not in _metrics:
            _metrics[registry] = EngineMetrics.on(registry)
            registry.register(ModelCollector(engine))
        self._metrics = _metrics[registry]

    async def infer(
        self, model: str, inputs: Mapping[str, Array], timeout_seconds: float | None
    ) -> Inference:
        """Runs a model once, like `Engine.infer`.

        Args:
            model: Name of the model.
            inputs: By name.
            timeout_seconds: Time until the caller's deadline; None when there is none.

        Raises:
            DeadlineError: The deadline has passed, or passes before the run ends.
        """
        if timeout_seconds is not None and timeout_seconds <= 0:
            raise DeadlineError(f"deadline: passed before {model} was run")
        started = time.perf_counter()
        frames = batch_frames(self._engine, model, inputs)
        try:
            with (
                self._metrics.in_flight.track_inprogress(),
                span(
                    f"infer {model}",
                    {"motioncast.model.name": model, "motioncast.model.frames": frames},
                ) as traced,
            ):
                async with asyncio.timeout(timeout_seconds):
                    inference = await self._engine.infer(model, inputs)
                traced.tell({"motioncast.model.seconds": inference.seconds})
        except TimeoutError:
            raise DeadlineError(f"deadline: passed while {model} ran or waited to run") from None
        waited = time.perf_counter() - started - inference.seconds
        self._metrics.batch_frames.labels(model).observe(frames)
        self._metrics.seconds.labels(model).observe(inference.seconds)
        self._metrics.wait_seconds.labels(model).observe(max(0.0, waited))
        return inference


def batch_frames(engine: Engine, model: str, inputs: Mapping[str, Array]) -> int:
    """Returns the number of frames in a run: the largest product of an input's varying axes.

    It is B for images (B, H, W, 3), and B * T for keypoints (B, T, K, 3). It is 0 for an unknown
    model or input, which the engine refuses.
    """
    try:
        known = engine.metadata(model).inputs
    except (UnknownModelError, UnavailableError):
        return 0
    return max((_varying(one, inputs.get(one.name)) for one in known), default=0)


def _varying(described: TensorMetadata, array: Array | None) -> int:
    if array is None:
        return 0
    sizes = zip(described.shape, array.shape, strict=False)
    return math.prod(size for axis, size in sizes if isinstance(axis, str))
