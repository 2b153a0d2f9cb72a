"""Exports to Prometheus which models an engine serves, with version and checksum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from motioncast.inference.engine import Engine, ModelState, RepositoryEngine

_READY: Final = (
    "motioncast_model_ready",
    "1 if the model can run, 0 if it is offered but cannot run.",
    ("model",),
)
_INFO: Final = (
    "motioncast_model_info",
    "1 for each model that can run. Labels: its version and the SHA-256 that its file was verified "
    "against; both are empty if another server runs it, the checksum also if the file has none.",
    ("model", "version", "sha256"),
)
_ALL: Final = (_READY, _INFO)


class ModelCollector(Collector):
    """Queries an engine about its models whenever metrics are read; it answers from memory."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yields the families without samples."""
        yield from model_families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the families with a sample for each model."""
        ready, info = model_families()
        for state in model_states(self._engine):
            ready.add_metric((state.name,), float(state.ready))
            if state.ready:
                version = str(state.version) if state.version else ""
                info.add_metric((state.name, version, state.sha256), 1)
        yield ready
        yield info


def model_families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    """Returns the metric families of models, without samples: ready, and information."""
    ready, info = (GaugeMetricFamily(name, text, labels=labels) for name, text, labels in _ALL)
    return ready, info


def model_states(engine: Engine) -> tuple[ModelState, ...]:
    """Returns the state of every model that an engine offers.

    The version is not known, and therefore 0, for an engine that uses another server.
    """
    if isinstance(engine, RepositoryEngine):
        return engine.states()
    running = frozenset(engine.models())
    return tuple(ModelState(name, 0, name in running) for name in engine.offered())
