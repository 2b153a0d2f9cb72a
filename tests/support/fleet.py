"""Two replicas of every service as processes that tests kill, suspend and restart.

Behind the orchestrators are the three model services, or two Tritons with the models' ensembles.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

BEHIND: Final = ("keypoint", "predictor", "synthesis")
TRITONS: Final = ("models",)
COPIES: Final = 2
_START_SECONDS: Final = 120.0


class Fleet:
    """Processes by name: `keypoint-0`, `keypoint-1`, ... `orchestrator-1`.

    Args:
        models: Model repository.
        key: File with the orchestrators' resume key.
        behind: Services behind the orchestrators: BEHIND or TRITONS.
    """

    def __init__(self, models: Path, key: Path, behind: tuple[str, ...] = BEHIND) -> None:
        self.behind = behind
        self._secret = secrets.token_urlsafe()  # required for listing a Triton's models
        self._models = models
        self._key = key
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.addresses: dict[str, str] = {}

    @property
    def targets(self) -> list[str]:
        """The orchestrators' addresses."""
        return [self.addresses[name] for name in _copies("orchestrator")]

    def start(self, names: Iterable[str]) -> None:
        """Starts processes, at their previous addresses if any, and waits until they are ready."""
        names = list(names)
        for name in names:
            _until_free(self.addresses.get(name))
        for name in names:
            self.processes[name] = self._process(name)
        for name in names:
            line = self.processes[name].stdout
            assert line is not None
            assert "is listening" in line.readline(), f"{name} has not started"
            self.addresses[name] = line.readline().split()[1]
        for name in names:
            if not name.startswith(TRITONS):  # Triton has loaded its models by now
                _until_serving(self.addresses[name])

    def end(self, name: str, by: signal.Signals = signal.SIGKILL) -> None:
        """Ends a process with a signal and waits for its exit."""
        process = self.processes[name]
        process.send_signal(by)
        process.wait(_START_SECONDS)
        assert process.stdout is not None
        process.stdout.close()

    def stop(self) -> None:
        """Kills all processes."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
        for process in self.processes.values():
            process.wait(_START_SECONDS)
            assert process.stdout is not None
            process.stdout.close()

    def _process(self, name: str) -> subprocess.Popen[str]:
        service, _, _ = name.partition("-")
        port = self.addresses.get(name, ":0").rpartition(":")[2]
        command = [sys.executable, "-m", "motioncast.cli.main", "serve", service, "--port", port]
        command += ["--http-port", "0", "--log-level", "ERROR", "--drain-grace", "1"]
        if service == "orchestrator":
            # Sessions must not be refused because the machine is busy.
            command += ["--resume-key", str(self._key), "--latency-target", "0"]
            if self.behind == TRITONS:
                command += ["--pipeline", "ensemble"]
            for other in self.behind:
                both = ",".join(self.addresses[one] for one in _copies(other))
                command += ["--triton-url" if other in TRITONS else f"--{other}", both]
        elif service in TRITONS:
            command += ["--models", str(self._models), "--engine", "triton"]
        else:
            command += ["--models", str(self._models), "--threads", "1"]
        knows = {**os.environ, "MOTIONCAST_TRITON_SECRET": self._secret}
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=knows)


@contextmanager
def fleet(models: Path, key: Path, behind: tuple[str, ...] = BEHIND) -> Iterator[Fleet]:
    """Runs two replicas of every service."""
    running = Fleet(models, key, behind)
    try:
        running.start(name for service in behind for name in _copies(service))
        running.start(_copies("orchestrator"))
        yield running
    finally:
        running.stop()


def _copies(service: str) -> list[str]:
    return [f"{service}-{number}" for number in range(COPIES)]


def _until_serving(address: str) -> None:
    ends = time.monotonic() + _START_SECONDS
    with grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for update in stub.Watch(health_pb2.HealthCheckRequest(), timeout=_START_SECONDS):
            if update.status == health_pb2.HealthCheckResponse.SERVING:
                return
            assert time.monotonic() < ends, f"{address} is not ready"


def _until_free(address: str | None) -> None:
    """Waits until an address is free: a killed Triton leaves a server behind for a moment."""
    ends = time.monotonic() + _START_SECONDS
    while address is not None and time.monotonic() < ends:
        host, _, port = address.rpartition(":")
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))):
                return
        time.sleep(0.1)
