"""Runs programs on this machine: chooses ports, starts programs, waits for them and ends them."""

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
    """The ports on which one service listens."""

    grpc: int
    http: int


def local_command(compose: dict[str, Any], name: str, ports: dict[str, Ports]) -> list[str]:
    """Returns a service's arguments from compose.yaml, with addresses of this machine.

    The settings file is the one in this folder; its addresses are overridden by arguments.
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


# Bypasses proxies: they cannot reach addresses on this machine.
_HERE: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_near(wanted: int) -> int:
    """Returns the wanted port, or another free one if it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind((HERE, wanted))
        except OSError:
            return free_port()
    return wanted


async def fetch(url: str) -> bytes:
    """Returns the body of a URL's response; raises OSError if it fails or has an error status."""

    def read() -> bytes:
        with _HERE.open(url, timeout=5) as response:
            return bytes(response.read())

    return await asyncio.to_thread(read)


async def first_that_answers(address: str, paths: Sequence[str]) -> str:
    """Returns the first path that exists at an address; the last path if none does."""
    for path in paths:
        with suppress(OSError):
            await fetch(f"{address}{path}")
            return path
    return paths[-1]


@asynccontextmanager
async def process(
    log: Path, *command: str, **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs a program with its output in a file; leaving the block ends it with SIGTERM.

    Ctrl-C at the terminal does not reach the program. Variables are added to its environment.
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
            running.send_signal(signal.SIGCONT)  # a stopped process would not end otherwise
        if await running.wait() != 0:
            last = log.read_text(errors="replace")[-2000:]
            print(f"{' '.join(command)} exited with code {running.returncode}:\n{last}")


async def until_ready(name: str, url: str, running: asyncio.subprocess.Process) -> None:
    """Waits until a URL answers with 200.

    Raises:
        RuntimeError: It does not within STARTUP_SECONDS, or the program has ended.
    """
    deadline = asyncio.get_running_loop().time() + STARTUP_SECONDS
    while asyncio.get_running_loop().time() < deadline and running.returncode is None:
        try:
            await fetch(url)
            return
        except OSError:
            await asyncio.sleep(0.2)
    raise RuntimeError(f"{name}: did not become ready at {url}")
