"""The available engines, one entry each: how to create them, and which options they take.

To add one, write its module and its entry here: `motioncast serve` and the benchmarks read this
table.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from motioncast.inference import (
    Engine,
    OnnxRuntimeEngine,
    OnnxRuntimeSettings,
    Provider,
    default_repository,
)
from motioncast.replicas.metrics import ReplicaMetrics
from motioncast.wire.errors import InvalidInputError

if TYPE_CHECKING:
    from motioncast.inference.kserve import KServeSettings
    from motioncast.triton import TritonSettings

SECRET_VARIABLE: Final = "MOTIONCAST_TRITON_SECRET"  # for those who control bare models


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The options of an engine; None leaves the choice to the engine."""

    repository: Path | None = None  # model repository; None: the shipped one
    threads: int | None = None  # per inference; None: one per core
    max_runs: int | None = None  # concurrent inferences; None: one per core
    provider: Provider | None = None  # None: the CPU
    server: KServeSettings | None = None  # server that runs the models
    drain_seconds: float = 5.0  # for running calls on a server of our own to end
    registry: CollectorRegistry | None = None  # where replicas of the server are counted

    @property
    def in_process(self) -> OnnxRuntimeSettings:
        """How inferences share the machine when this process runs them."""
        default = OnnxRuntimeSettings()
        return OnnxRuntimeSettings(
            intra_op_threads=default.intra_op_threads if self.threads is None else self.threads,
            max_concurrent_runs=(
                default.max_concurrent_runs if self.max_runs is None else self.max_runs
            ),
            provider=self.provider or default.provider,
        )

    def triton(
        self, host: str = "127.0.0.1", port: int = 0, metrics_port: int = 0
    ) -> TritonSettings:
        """Returns the settings of a Triton of our own; a port of 0 selects a free one."""
        from motioncast.triton import TritonSettings

        return TritonSettings(
            self.repository or default_repository(),
            host=host,
            port=port,
            metrics_port=metrics_port,
            secret=os.environ.get(SECRET_VARIABLE) or None,
            drain_seconds=self.drain_seconds,
        )


@dataclass(frozen=True, slots=True)
class EngineKind:
    """One engine: its name, how to create it, and which options it takes."""

    name: str
    make: Callable[[EngineOptions], Engine]
    takes: frozenset[str]
    refusal: str  # why it takes no others; {server} stands for the address of the server


def in_process(options: EngineOptions) -> OnnxRuntimeEngine:
    """Returns ONNX Runtime in this process, not open yet."""
    return OnnxRuntimeEngine(options.repository or default_repository(), options.in_process)


def _triton(options: EngineOptions) -> Engine:
    from motioncast.triton import TritonEngine

    return TritonEngine(options.triton())


def _remote(options: EngineOptions) -> Engine:
    from motioncast.inference.kserve import KServeEngine  # late: its imports are slow

    if options.server is None:
        raise InvalidInputError.of("triton-url", "missing; give the address of the model server")
    registry = options.registry
    return KServeEngine(options.server, ReplicaMetrics(registry) if registry is not None else None)


REGISTRY: Final = (
    EngineKind(
        "inprocess",
        in_process,
        frozenset({"repository", "threads", "max_runs", "provider"}),
        "the models run in this process, not on {server}",
    ),
    EngineKind(
        "triton",
        _triton,
        frozenset({"repository"}),
        "does not apply to Triton; set it in the models' config.pbtxt",
    ),
    EngineKind(
        "remote",
        _remote,
        frozenset({"server"}),
        "does not apply to the model server at {server}; set it there",
    ),
)
ENGINES: Final = {kind.name: kind for kind in REGISTRY}


def kind_of(name: str) -> EngineKind:
    """Returns the engine of that name.

    Raises:
        InvalidInputError: There is none; the message names those there are.
    """
    if name not in ENGINES:
        known = ", ".join(ENGINES)
        raise InvalidInputError.of("engine", f"{name!r} is unknown (expected one of {known})")
    return ENGINES[name]


def check_options(name: str, options: EngineOptions) -> None:
    """Checks that an engine takes the given options.

    Raises:
        InvalidInputError: There is no such engine, or an option does not apply to it.
    """
    kind = kind_of(name)
    server = options.server.address if options.server is not None else "no server"
    if options.server is not None and "server" not in kind.takes:
        raise InvalidInputError.of(
            "engine", f"{name} cannot be combined with the model server at {server}"
        )
    for option in ("repository", "threads", "max_runs", "provider"):
        if getattr(options, option) is not None and option not in kind.takes:
            refusal = kind.refusal.format(server=server)
            raise InvalidInputError.of(option.replace("_", "-"), refusal)


def make_engine(name: str, options: EngineOptions) -> Engine:
    """Returns an engine that runs the models, not open yet.

    Raises:
        InvalidInputError: There is no such engine, or a given option does not apply to it.
    """
    check_options(name, options)
    return kind_of(name).make(options)
