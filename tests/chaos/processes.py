"""Real `motioncast serve` processes to be killed, suspended, starved of descriptors or restarted.

Each keeps its ports across restarts, so that clients can reconnect.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_SECONDS: Final = 180.0  # on a busy machine
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Usage:
    """A process's resource usage (Linux)."""

    resident: int  # bytes
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Reads it from /proc; raises OSError if the process is gone."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        return cls(
            1024 * int(status["VmRSS"].split()[0]),
            len(os.listdir(f"/proc/{pid}/fd")),
            int(status["Threads"]),
        )


class Process:
    """One `motioncast serve`, from `start` to `close`.

    Args:
        name: Name in reports.
        options: Options of the command, without ports.
        log: File for its log.
        ports: gRPC and HTTP ports.
        environment: Variables to add to this process's environment.
    """

    def __init__(
        self,
        name: str,
        options: Sequence[str],
        log: Path,
        ports: tuple[int, int],
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name, self.ports = name, ports
        self._options, self._log = options, log
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.baseline: Usage | None = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def usage(self) -> Usage:
        return Usage.of(self.pid)

    def start(self, log: Path | None = None) -> None:
        """Starts it; `log` overrides its log file, for example with a full disk."""
        command = [sys.executable, "-m", "motioncast.cli.main", "serve", *self._options]
        command += ["--port", str(self.ports[0]), "--http-port", str(self.ports[1])]
        with (log or self._log).open("ab") as errors:
            self._process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=errors, env=self._environment
            )
        self.baseline = None

    def wait_until_ready(self, seconds: float = START_SECONDS) -> float:
        """Returns the seconds until it was ready; raises TimeoutError if it never was."""
        assert self._process is not None
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            if self.has_ended:
                raise TimeoutError(f"{self.name} ended with {self._process.returncode}")
            with (
                suppress(OSError),
                urllib.request.urlopen(
                    f"http://127.0.0.1:{self.ports[1]}/ready", timeout=2
                ) as answer,
            ):
                if answer.status == 200:
                    return time.monotonic() - began
            time.sleep(_PAUSE)
        raise TimeoutError(f"{self.name} was not ready within {seconds:g} s")

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> float:
        """Ends it with a signal; returns the seconds until it had exited."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(number)
        self._process.wait(seconds)
        return time.monotonic() - began

    @contextmanager
    def few_files(self, spare: int) -> Iterator[None]:
        """Limits its free descriptors to `spare` during the block."""
        before = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        limit = min(self.usage.descriptors + spare, before[0])
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, before)

    def close(self) -> None:
        """Kills it if it still runs."""
        if self._process is not None and not self.has_ended:
            self._process.kill()
            self._process.wait(10)


def free_row(count: int) -> int:
    """Returns the first of `count` consecutive free ports.

    They lie below the system's ephemeral range, so that no other program is given one meanwhile.
    """
    first = 12_000 + os.getpid() % 500 * 16
    while not all(map(_is_free, range(first, first + count))):
        first += count
    return first


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return True
    return False
