r"""Measures the cost of TLS and tokens: frames/s of the whole path with and without them, in turns.

    python tests/benchmark/locked_doors.py [--model lite128] [--streams 4] \
        [--frames 120] [--rounds 5]

One process serves both variants; another runs the clients. Each round runs plain, locked, locked,
plain. Prints the medians of frames/s and of CPU time per frame, which is more reliable on a busy
machine; fails if TLS and tokens cost more than 5 % of frames/s.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import numpy as np
import typer

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.tokens import Issuer

from motioncast.client import Tls, connect_sync
from motioncast.data.command_line import Program
from motioncast.inference import (
    OnnxRuntimeEngine,
    OnnxRuntimeSettings,
    default_repository,
)
from motioncast.local import LocalServices, LocalSettings
from motioncast.local.certificates import make_certificates
from motioncast.serving import ServerTls

MOST: Final = 0.05


def frames_per_second(
    target: str, tls: Tls | None, token: str | None, model: str, streams: int, frames: int
) -> tuple[float, float]:
    """Streams several videos of noise at once.

    Returns:
        Frames per second, and milliseconds of this process's CPU time per frame.
    """

    def stream(number: int) -> int:
        with connect_sync(target, timeout=30, tls=tls, token=token) as service:
            size = next(one for one in service.server_info().models if one.name == model)
            shape = (8, size.height, size.width, 3)
            noise = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
            video = (noise[index % len(noise)] for index in range(frames))
            return len(list(service.stream(video, model=model, observed=5, predicted=5)))

    with ThreadPoolExecutor(streams) as pool:
        started, worked = time.perf_counter(), time.process_time()
        made = sum(pool.map(stream, range(streams)))
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
        return made / seconds, 1000 * worked / made


async def measure(model: str, streams: int, frames: int, rounds: int) -> float:
    """Prints both medians; returns the relative loss of frames/s."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as clients,
    ):
        files = make_certificates(Path(folder) / "certificates")
        issuer = Issuer(Path(folder) / "keys.json")
        server = ServerTls(files["server.pem"], files["server.key"], files["ca.pem"], clients=True)
        client = Tls(files["ca.pem"], files["client.pem"], files["client.key"])
        engine = OnnxRuntimeEngine(default_repository(), OnnxRuntimeSettings())
        locked_settings = LocalSettings(tls=server, tokens=issuer.settings)
        async with (
            engine,
            LocalServices(LocalSettings(), engine) as plain,
            LocalServices(locked_settings, engine) as locked,
        ):
            loop = asyncio.get_running_loop()
            found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}

            async def run(lock: bool, frames: int) -> tuple[float, float]:
                tls, token = (client, issuer.token()) if lock else (None, None)
                target = locked.target if lock else plain.target
                worked = time.process_time()
                rate, theirs = await loop.run_in_executor(
                    clients, frames_per_second, target, tls, token, model, streams, frames
                )
                ours = 1000 * (time.process_time() - worked) / (streams * frames)
                return rate, ours + theirs

            for lock in (False, True):
                await run(lock, 20)
            for _ in range(rounds):
                for lock in (False, True, True, False):
                    found[lock].append(await run(lock, frames))
    middle = {lock: median(rate for rate, _ in values) for lock, values in found.items()}
    lost = 1 - middle[True] / middle[False]
    print(f"{model}, {streams} streams of {frames} frames, 5:5, {2 * rounds} runs each")
    for lock, name in ((False, "plain text"), (True, "mutual TLS and tokens")):
        values, work = sorted(found[lock]), median(work for _, work in found[lock])
        spread = f"({values[0][0]:.1f} to {values[-1][0]:.1f})"
        print(f"  {name:<22} {middle[lock]:6.1f} frames/s {spread}, {work:.1f} ms of CPU a frame")
    print(f"  lost: {100 * lost:.1f} %")
    return lost


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    model: str = "lite128"
    streams: Annotated[int, typer.Option(help="at once")] = 4
    frames: Annotated[int, typer.Option(help="of each")] = 120
    rounds: Annotated[int, typer.Option(help="there and back")] = 5


def run(options: Options, command: str) -> None:
    """Measures; exits with 1 if TLS and tokens cost too much."""
    lost = asyncio.run(measure(options.model, options.streams, options.frames, options.rounds))
    sys.exit(lost > MOST)


main = Program("locked_doors.py", Options, run, __doc__)


if __name__ == "__main__":
    main()
