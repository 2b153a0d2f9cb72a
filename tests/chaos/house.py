"""The system to break: three deployments of the toy models, with a forwarder on every wire.

whole      all services in one process
split      an orchestrator and the three services, one process each
ensemble   an orchestrator that runs ensembles on a model server
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.forwarder import Forwarder
from chaos.processes import Process, free_row
from support.toy_ensembles import build_joined_repository

FAKETIME: Final = next(
    (str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None
)
# No session is refused for latency: things are slow on purpose here.
_OPTIONS: Final = (
    *("--log-level", "INFO", "--max-sessions-per-peer", "64", "--latency-target", "0"),
)
_PORTS: Final = 8  # consecutive ports per process


@dataclass(frozen=True, slots=True)
class House:
    """The running deployments.

    Attributes:
        processes: Processes by name.
        wires: Forwarders by name: clients connect through "whole", "split" and "ensemble"; the
            others lie between the processes of a deployment.
        clock: File from which `whole` reads its clock offset; None without libfaketime.
    """

    folder: Path
    models: Path
    processes: dict[str, Process]
    wires: dict[str, Forwarder]
    clock: Path | None

    @property
    def targets(self) -> dict[str, str]:
        """Addresses for clients, by deployment."""
        return {name: self.wires[name].address for name in ("whole", "split", "ensemble")}

    def deployment(self, name: str) -> str:
        """Returns the deployment that a process or wire belongs to."""
        if name in self.targets:
            return name
        return "ensemble" if name in ("models", "ensemble orchestrator") else "split"

    def log(self) -> str:
        """Returns the logs of all processes."""
        return "".join(path.read_text("utf-8", "replace") for path in self.folder.glob("*.log"))


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """Starts everything; leaving the block ends it."""
    models = build_joined_repository(_folder(folder / "models"))
    clock = folder / "clock" if FAKETIME else None
    with ExitStack() as exits:
        processes: dict[str, Process] = {}
        wires: dict[str, Forwarder] = {}

        def process(name: str, options: list[str], **environment: str) -> Process:
            first = free_row(2 * _PORTS)
            log = folder / f"{name}.log"
            ports = (first, first + _PORTS)
            found = processes[name] = Process(
                name, [*options, *_OPTIONS], log, ports, environment or None
            )
            exits.callback(found.close)
            found.start()
            found.wait_until_ready()
            return found

        def wire(name: str, to: Process) -> str:
            wires[name] = exits.enter_context(Forwarder(to.target))
            return wires[name].address

        repository = ["--models", str(models)]
        wire("whole", process("whole", repository, **_clock(clock)))
        behind = []
        for name in ("keypoint", "predictor", "synthesis"):
            behind += [f"--{name}", wire(name, process(name, [name, *repository]))]
        wire("split", process("orchestrator", ["orchestrator", *behind]))
        address = wire("models", process("models", ["models", *repository]))
        ensemble = ["orchestrator", "--pipeline", "ensemble", "--triton-url", address]
        wire("ensemble", process("ensemble orchestrator", ensemble))
        yield House(folder, models, processes, wires, clock)


def _clock(file: Path | None) -> dict[str, str]:
    """Returns variables that make a process's wall clock, but not its monotonic one, adjustable."""
    if file is None:
        return {}
    file.write_text("+0\n")
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path
