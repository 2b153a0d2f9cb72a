"""What hostile clients cost a server and a session beside them (docs/limits.md).

    python tests/benchmark/attacks.py [--model lite128] [ATTACK ...]

A `motioncast serve` of its own, an attacker and a prober in processes of their own, and correct
sessions of the bundled clip. For every attack: the server's peak memory beyond what it had, the
bytes sent, the slowest answer of `Health/Check` without it and beside it, the sessions' time over
their time alone (the median of five each, for as long as the attack goes on), the server's share
of a processor without and beside it, and whether all pictures are those that a session has alone.
The attacker shares the machine, at a low priority, so that what is measured is what it costs the
server. Ends with 1 where a bound is broken: 4 times the bytes sent plus 64 MiB, 0.25 s, 1.5 times,
the same pictures.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import grpc
import typer
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.grpc_attacks import ATTACKS
from support.raw_attacks import RAW

from motioncast.client import ConnectError, connect_sync
from motioncast.client.video import read_video
from motioncast.data.command_line import Program, Refusal

CLIP: Final = Path(__file__).parents[2] / "clients/motioncast/cli/assets/grid_sbwu5s.mp4"
MIB: Final = 2**20
Sessions: TypeAlias = tuple[float, float, set[str]]  # seconds, the server's share, pictures
SLACK_BYTES, PER_BYTE, HEALTH_SECONDS, SLOWER = 64 * MIB, 4, 0.25, 1.5
SESSIONS: Final = 5  # of which the median counts
NAMES: Final = (*ATTACKS, *RAW)
SECONDS: Final = 3.0  # that an attack lasts at least
LONGEST: Final = 120.0  # and at most


def attack(name: str, target: str) -> None:
    """Attacks until its input ends; prints what was sent."""
    os.nice(10)
    once = partial(RAW[name], target) if name in RAW else partial(over_grpc, name, target)
    print("begins", flush=True)
    sent, ended = 0, ending()
    while not ended.is_set():
        sent += once(time.monotonic() + 0.5)
    print(sent, flush=True)


def over_grpc(name: str, target: str, end: float) -> int:
    """Attacks once, over a connection of its own; returns the bytes sent."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options=options) as channel:
        return ATTACKS[name](channel, **({"target": target} if name == "connections" else {}))


def probe(target: str) -> None:
    """Asks for the server's health until its input ends; prints the slowest answer's seconds."""
    ended, slowest = ending(), 0.0
    with grpc.insecure_channel(target) as channel:
        stub: Any = HealthStub(channel)
        stub.Check(HealthCheckRequest(), timeout=30, wait_for_ready=True)
        print("begins", flush=True)
        while not ended.wait(0.02):
            start = time.perf_counter()
            stub.Check(HealthCheckRequest(), timeout=30, wait_for_ready=True)
            slowest = max(slowest, time.perf_counter() - start)
    print(slowest, flush=True)


def ending() -> threading.Event:
    """Returns what is set when the standard input ends."""
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return ended


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, *arguments], **pipes) as started:
        try:
            yield started
        finally:
            started.terminate()


def peak_bytes(pid: int, *, anew: bool = False) -> int:
    """Returns the most memory that a process has had since it was asked anew (Linux)."""
    if anew:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def processor_seconds(pid: int) -> float:
    """Returns what a process has taken so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sessions(server: int, target: str, frames: list[Any]) -> Sessions:
    """Returns the median of several sessions' seconds, the server's for all, and their pictures."""
    began, processor = time.monotonic(), processor_seconds(server)
    seconds: list[float] = []
    pictures: set[str] = set()
    while len(seconds) < SESSIONS or time.monotonic() < began + SECONDS:
        taken, seen = session(target, frames)
        seconds.append(taken)
        pictures.add(seen)
        if time.monotonic() > began + LONGEST:
            break
    whole = time.monotonic() - began
    used = processor_seconds(server) - processor
    return statistics.median(seconds), used / whole, pictures


def session(target: str, frames: list[Any]) -> tuple[float, str]:
    """Returns the seconds that a correct session took, and what its pictures are."""
    digest, start = hashlib.sha256(), time.perf_counter()
    with connect_sync(target, timeout=30) as service:
        for frame in service.stream(iter(frames), timeout=120):
            digest.update(frame.image.tobytes())
    return time.perf_counter() - start, digest.hexdigest()


def probed(target: str, measured: Callable[[], Sessions]) -> tuple[Sessions, float]:
    """Returns what is measured, and the slowest answer of health meanwhile, in seconds."""
    with process(str(Path(__file__)), "--probe", "--at", target) as prober:
        prober.stdout.readline()  # type: ignore[union-attr]
        result = measured()
        return result, float(prober.communicate()[0])


def measure(name: str, server: subprocess.Popen[str], target: str, frames: list[Any]) -> bool:
    """Prints what an attack costs; returns whether all bounds hold."""
    script = str(Path(__file__))
    (alone, share_alone, expected), calm = probed(
        target, partial(sessions, server.pid, target, frames)
    )
    before = peak_bytes(server.pid, anew=True)
    with process(script, "--attack", name, "--at", target) as attacker:
        attacker.stdout.readline()  # type: ignore[union-attr]
        try:
            (beside, share, got), slowest = probed(
                target, partial(sessions, server.pid, target, frames)
            )
        except (ConnectError, ValueError) as error:  # ValueError: the prober got no answer
            print(f"{name:17} nobody else was served: {error}  BROKEN", flush=True)
            return False
        sent = int(attacker.communicate()[0] or 0)
    grown = peak_bytes(server.pid) - before
    held = [
        grown <= PER_BYTE * sent + SLACK_BYTES,
        slowest <= HEALTH_SECONDS,
        beside <= SLOWER * alone,
        got == expected,
    ]
    figures = f"{sent / MIB:9.2f} {grown / MIB:9.1f} {1000 * calm:5.0f} {1000 * slowest:4.0f}"
    figures += f" {beside / alone:9.2f} {share_alone:5.2f} {share:5.2f}"
    pictures, broken = "same" if held[3] else "OTHER", "" if all(held) else "BROKEN"
    print(f"{name:17}{figures}  {pictures:8} {broken}", flush=True)
    return all(held)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What attacks what."""

    attacks: Annotated[
        list[str] | None, typer.Argument(metavar="ATTACK", help=f"of {', '.join(NAMES)}")
    ] = None
    model: str = "lite128"
    # What the processes that this one starts do, and the server that they do it to.
    attack: Annotated[str, typer.Option(hidden=True)] = ""
    probe: Annotated[bool, typer.Option(hidden=True)] = False
    at: Annotated[str, typer.Option(hidden=True)] = ""


def run(options: Options, command: str) -> None:
    """Runs the attacks named, or all."""
    if options.attack:
        attack(options.attack, options.at)
        return
    if options.probe:
        probe(options.at)
        return
    names = options.attacks or NAMES
    if unknown := set(names) - set(NAMES):
        what, expected = ", ".join(sorted(unknown)), ", ".join(NAMES)
        raise Refusal(f"{what}: no such attack (there are {expected})")
    serve = ["-m", "motioncast.cli.main", "serve", "--port", "0", "--http-port", "0"]
    with process(*serve, "--model", options.model, "--log-level", "ERROR") as server:
        assert server.stdout is not None
        announced = itertools.takewhile(bool, iter(server.stdout.readline, ""))
        target = next(line.split()[1] for line in announced if "orchestrator" in line.split()[:1])
        with connect_sync(target, timeout=60) as service:
            models = {one.name: one for one in service.server_info(timeout=60).models}
        with read_video(CLIP, models[options.model].height) as video:
            frames = list(video.frames)
        print("attack           sent MiB grown MiB health ms session x processor  pictures")
        held = [measure(name, server, target, frames) for name in names]
    sys.exit(not all(held))


main = Program("attacks.py", Options, run, __doc__)


if __name__ == "__main__":
    main()
