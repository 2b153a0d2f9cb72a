"""Number of runs and duration of their stages, as Triton counts them.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tritonclient.grpc import service_pb2


@dataclass(slots=True)
class Durations:
    """A number of events and their total duration in nanoseconds."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns

    def message(self) -> Any:
        return service_pb2.StatisticDuration(count=self.count, ns=self.ns)


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations of the stages of one run, in nanoseconds."""

    decode: int
    queue: int  # waiting time
    run: int
    encode: int

    @property
    def total(self) -> int:
        return self.decode + self.queue + self.run + self.encode


@dataclass(slots=True)
class _Runs:
    """The runs of one version of a model."""

    last_milliseconds: int = 0  # start of the last one, since the epoch
    inferences: int = 0
    executions: int = 0
    parts: dict[str, Durations] = field(default_factory=dict)
    batches: dict[int, dict[str, Durations]] = field(default_factory=dict)


class Statistics:
    """The runs of models, by name and version.

    An inference is one element of a batch; an execution is one run of the model.
    """

    def __init__(self) -> None:
        self._runs: dict[tuple[str, int], _Runs] = {}

    def succeeded(self, model: str, version: int, batch: int, timing: Timing) -> None:
        """Counts a run with a batch of this size."""
        runs = self._of(model, version)
        runs.inferences += batch
        runs.executions += 1
        compute = {
            "compute_input": timing.decode,
            "compute_infer": timing.run,
            "compute_output": timing.encode,
        }
        for name, ns in {"success": timing.total, "queue": timing.queue, **compute}.items():
            runs.parts.setdefault(name, Durations()).add(ns)
        sizes = runs.batches.setdefault(batch, {})
        for name, ns in compute.items():
            sizes.setdefault(name, Durations()).add(ns)

    def failed(self, model: str, version: int, ns: int) -> None:
        """Counts a run that was refused, cancelled or failed."""
        self._of(model, version).parts.setdefault("fail", Durations()).add(ns)

    def of(self, model: str, version: int) -> Any:
        """Returns the statistics of one version of a model."""
        runs = self._runs.get((model, version), _Runs())
        return service_pb2.ModelStatistics(
            name=model,
            version=str(version),
            last_inference=runs.last_milliseconds,
            inference_count=runs.inferences,
            execution_count=runs.executions,
            inference_stats=service_pb2.InferStatistics(**_messages(runs.parts)),
            batch_stats=[
                service_pb2.InferBatchStatistics(batch_size=size, **_messages(parts))
                for size, parts in sorted(runs.batches.items())
            ],
        )

    def _of(self, model: str, version: int) -> _Runs:
        runs = self._runs.setdefault((model, version), _Runs())
        runs.last_milliseconds = time.time_ns() // 1_000_000
        return runs


def _messages(parts: dict[str, Durations]) -> dict[str, Any]:
    return {name: durations.message() for name, durations in parts.items()}
