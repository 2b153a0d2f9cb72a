"""Real processes of `motioncast serve` that can be hurt: killed, held, starved of files, restarted.

Each keeps its ports from one start to the next, so that whoever calls it finds it again.
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

START_SECONDS: Final = 180.0  # on a machine with much else to do
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds (Linux)."""

    resident: int  # bytes
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Reads it from /proc; an OSError where the process is gone."""
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
        name: For the observer's words.
        options: Of the command, without ports.
        log: Where its log goes.
        ports: gRPC and HTTP port.
        environment: Variables beside those of this process.
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
        """Starts it; `log` is another place for its log, for example a full disk."""
        command = [sys.executable, "-m", "motioncast.cli.main", "serve", *self._options]
        command += ["--port", str(self.ports[0]), "--http-port", str(self.ports[1])]
        with (log or self._log).open("ab") as errors:
            self._process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=errors, env=self._environment
            )
        self.baseline = None

    def wait_until_ready(self, seconds: float = START_SECONDS) -> float:
        """Returns after how many seconds it was ready; TimeoutError when it never was."""
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
        """Ends it by a signal; returns after how many seconds it was gone."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(number)
        self._process.wait(seconds)
        return time.monotonic() - began

    @contextmanager
    def few_files(self, spare: int) -> Iterator[None]:
        """Leaves it so many descriptors to open, while the block lasts."""
        before = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        limit = min(self.usage.descriptors + spare, before[0])
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, before)

    def close(self) -> None:
        """Ends it whatever it does."""
        if self._process is not None and not self.has_ended:
            self._process.kill()
            self._process.wait(10)


def free_row(count: int) -> int:
    """Returns the first of so many ports in a row that nobody listens on just now.

    They lie below those that the system hands out, so that nobody else takes one meanwhile.
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
