"""An engine's runs, timed for Prometheus and ended at the caller's deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Histogram

from motioncast.inference.engine import Array, Engine, Inference
from motioncast.wire.errors import DeadlineError

# A forecast takes a millisecond, the synthesis of a long group seconds.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_histograms: WeakKeyDictionary[CollectorRegistry, Histogram] = WeakKeyDictionary()


class MeasuredEngine:
    """Runs models for one service.

    Args:
        engine: Runs them; others may use it too.
        registry: Where `motioncast_inference_seconds{model}` is shown. Services that share a
            registry share the histogram.
    """

    def __init__(self, engine: Engine, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._seconds = _histogram(registry)

    async def infer(
        self, model: str, inputs: Mapping[str, Array], timeout_seconds: float | None
    ) -> Inference:
        """Runs a model once, as `Engine.infer` does.

        Args:
            model: Name of the model.
            inputs: By name.
            timeout_seconds: Until the caller's deadline; None when there is none.

        Raises:
            DeadlineError: The deadline has passed, or passes before the run ends.
        """
        if timeout_seconds is not None and timeout_seconds <= 0:
            raise DeadlineError(f"deadline: passed before {model} was run")
        try:
            async with asyncio.timeout(timeout_seconds):
                inference = await self._engine.infer(model, inputs)
        except TimeoutError:
            raise DeadlineError(f"deadline: passed while {model} ran or waited to run") from None
        self._seconds.labels(model).observe(inference.seconds)
        return inference


def _histogram(registry: CollectorRegistry) -> Histogram:
    if registry not in _histograms:
        _histograms[registry] = Histogram(
            "motioncast_inference_seconds",
            "Seconds that a model ran, without the wait for its turn.",
            ("model",),
            registry=registry,
            buckets=_SECONDS,
        )
    return _histograms[registry]
