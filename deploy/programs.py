"""Programs of this machine: their ports, their start, whether they are ready, and their end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEPLOY: Final = Path(__file__).parent
HERE: Final = "127.0.0.1"
STARTUP_SECONDS: Final = 180.0  # on a busy machine


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one service listens on this machine."""

    grpc: int
    http: int


def local_command(compose: dict[str, Any], name: str, ports: dict[str, Ports]) -> list[str]:
    """Returns the arguments that compose.yaml gives a service, with addresses of this machine.

    The file of settings is that of this folder; the command line, which counts more, says where
    services are here.
    """
    mounted = dict(mount.split(":")[1::-1] for mount in compose["services"][name]["volumes"])
    arguments = []
    for argument in compose["services"][name]["command"]:
        option, _, value = argument.partition("=")
        file = f"{option}={DEPLOY / mounted[value]}" if value in mounted else argument
        arguments.append(file)
    own = ports[name]
    arguments += ["--host=127.0.0.1", f"--port={own.grpc}", f"--http-port={own.http}"]
    if name == "orchestrator":
        arguments += [
            f"--{other}=dns:///127.0.0.1:{its.grpc}"
            for other, its in ports.items()
            if other != name
        ]
    return arguments


# What is on this machine no proxy need or can reach.
_HERE: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_near(wanted: int) -> int:
    """Returns the port that is wanted, or a free one where somebody has that."""
    with socket.socket() as probe:
        try:
            probe.bind((HERE, wanted))
        except OSError:
            return free_port()
    return wanted


async def fetch(url: str) -> bytes:
    """Returns the body that an address answers with; raises OSError when it does not, or 4xx."""

    def read() -> bytes:
        with _HERE.open(url, timeout=5) as response:
            return bytes(response.read())

    return await asyncio.to_thread(read)


async def first_that_answers(address: str, paths: Sequence[str]) -> str:
    """Returns the first path that an address has; the last, if none."""
    for path in paths:
        with suppress(OSError):
            await fetch(f"{address}{path}")
            return path
    return paths[-1]


@asynccontextmanager
async def process(
    log: Path, *command: str, **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs a program, its output going to a file; leaving the block ends it with SIGTERM.

    Ctrl-C at the terminal reaches us alone. The variables are added to the environment.
    """
    with log.open("wb") as output:
        running = await asyncio.create_subprocess_exec(
            *command,
            stdout=output,
            stderr=output,
            env=os.environ | variables,
            start_new_session=True,
        )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
            running.send_signal(signal.SIGCONT)  # or one that somebody stopped would not end
        if await running.wait() != 0:
            last = log.read_text(errors="replace")[-2000:]
            print(f"{' '.join(command)} ended with {running.returncode}:\n{last}")


async def until_ready(name: str, url: str, running: asyncio.subprocess.Process) -> None:
    """Returns when an address answers 200.

    Raises:
        RuntimeError: When it does not within STARTUP_SECONDS, or the program has ended.
    """
    deadline = asyncio.get_running_loop().time() + STARTUP_SECONDS
    while asyncio.get_running_loop().time() < deadline and running.returncode is None:
        try:
            await fetch(url)
            return
        except OSError:
            await asyncio.sleep(0.2)
    raise RuntimeError(f"{name}: not ready at {url}")
