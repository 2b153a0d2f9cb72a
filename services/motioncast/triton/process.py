"""One run of tritonserver: its command line, log and shutdown."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import sys
import tempfile
from asyncio import StreamReader
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from motioncast.triton import reaper
from motioncast.triton.installation import Installation
from motioncast.triton.secret import hide_secret, restriction
from motioncast.triton.settings import TritonSettings
from motioncast.wire.errors import UnavailableError

_log = logging.getLogger(__name__)
_server_log = logging.getLogger("motioncast.triton.server")

# I1123 01:20:36.372290 31377 grpc_server.cc:2558] "Started GRPCInferenceService ..."
_LINE: Final = re.compile(r"([IWEF])\d{4} [\d:.]+ \d+ (\S+)\] (.*)")
_LEVELS: Final = {
    "I": logging.INFO,
    "W": logging.WARNING,
    "E": logging.ERROR,
    "F": logging.CRITICAL,
}
_ABOUT_GPUS: Final = re.compile(
    "CUDA|Cuda|DCGM|NVML"
)  # without GPUs these lines do not deserve a warning
_GPU_DRIVER: Final = Path("/proc/driver/nvidia")
_LONGEST_LINE: Final = 1024 * 1024


class ServerProcess:
    """A running tritonserver; created by `start`.

    Attributes:
        pid: Process id of tritonserver.
        shared_memory: Prefix of its regions' names in /dev/shm.
    """

    def __init__(
        self, process: Process, pid: int, folder: Path, shared_memory: str, secret: str
    ) -> None:
        self.pid = pid
        self.shared_memory = shared_memory
        self._process = process
        self._folder = folder
        assert process.stderr is not None  # it is a pipe

        def first_line_came() -> None:  # by then it has read its command line
            if not hide_secret(pid, secret):
                _log.warning(
                    "tritonserver's command line shows its secret to all users of this machine"
                )

        self._relay = asyncio.create_task(relay(process.stderr, first_line_came))

    @classmethod
    async def start(
        cls,
        installation: Installation,
        settings: TritonSettings,
        ports: Mapping[str, int],
        models: Sequence[str],
        secret: str,
    ) -> Self:
        """Starts the server, which loads its models before it serves requests.

        Args:
            installation: Where the server is installed.
            settings: What it serves, and how.
            ports: `port` and `metrics_port`, which are free.
            models: The models to load.
            secret: Secret that a client has to send to control it.

        Raises:
            UnavailableError: It could not be started.
        """
        folder = Path(tempfile.mkdtemp(prefix="motioncast_triton_"))
        prefix = f"motioncast_{secrets.token_hex(4)}_"
        try:
            backends = installation.assemble_backends(folder / "backends")  # a few megabytes
            command = _command(installation, settings, ports, models)
            command += [
                f"--backend-directory={backends}",
                f"--backend-config=python,shm-region-prefix-name={prefix}",
            ]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", reaper.__file__),
                *(str(settings.drain_seconds), str(folder), prefix),
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env={**installation.environment(), reaper.SECRET_VARIABLE: secret},
                start_new_session=True,  # Ctrl-C is for us; the server ends after the services
                limit=_LONGEST_LINE,
            )
        except BaseException:
            reaper.clear(folder, prefix)
            raise
        assert process.stdin is not None  # they are pipes
        assert process.stdout is not None
        try:
            word, _, pid = (await process.stdout.readline()).decode().partition(" ")
        except BaseException:
            process.stdin.close()  # the reaper does the rest
            await process.wait()
            raise
        if word != "started":
            await process.wait()
            raise UnavailableError("engine: tritonserver could not be started; see the log")
        return cls(process, int(pid), folder, prefix, secret)

    async def wait(self) -> None:
        """Returns when the server has ended and nothing of it is left."""
        await self._process.wait()
        await asyncio.wait([self._relay])  # cancelling the wait does not end it
        reaper.clear(self._folder, self.shared_memory)  # in case the reaper was killed

    async def stop(self) -> None:
        """Stops the server: at once when nothing runs, by force after the drain limit."""
        assert self._process.stdin is not None  # it is a pipe
        self._process.stdin.close()
        await self.wait()


def _command(
    installation: Installation,
    settings: TritonSettings,
    ports: Mapping[str, int],
    models: Sequence[str],
) -> list[str]:
    return [
        str(installation.server),
        f"--model-repository={settings.repository}",
        "--model-control-mode=explicit",
        *(f"--load-model={model}" for model in models),
        "--disable-auto-complete-config",
        "--strict-readiness=false",  # one broken model does not make the others unready
        "--exit-on-error=false",
        f"--exit-timeout-secs={max(1, round(settings.drain_seconds))}",
        "--allow-http=false",
        restriction(),
        f"--grpc-address={settings.host}",
        f"--grpc-port={ports['port']}",
        f"--metrics-address={settings.metrics_host or settings.host}",
        f"--metrics-port={ports['metrics_port']}",
        *(() if settings.tls is None else settings.tls.arguments()),
    ]


async def relay(lines: StreamReader, first_line_came: Callable[[], None] | None = None) -> None:
    """Logs the server's output until it ends."""
    try:
        async for line in lines:
            if first_line_came is not None:
                first_line_came()
                first_line_came = None
            text = line.decode(errors="replace").rstrip()
            found = _LINE.match(text)
            if found:
                letter, place, message = found.groups()
                no_news = _ABOUT_GPUS.search(message) and not _GPU_DRIVER.exists()
                level = logging.DEBUG if no_news else _LEVELS[letter]
                _server_log.log(level, "%s: %s", place, message.strip('"'))
            elif text:
                _server_log.debug("%s", text)  # its tables
    except ValueError:
        _log.warning("tritonserver logged an overlong line; the rest of its log is dropped")
        while await lines.read(_LONGEST_LINE):
            pass
