"""Runs the services under a light load, with all there is to look at them, until Ctrl-C.

    python deploy/observe.py [--rate 5] [--models FOLDER] [--clip FILE] [--without triton]

Each service is a process with the command of compose.yaml; the relay, a real Prometheus with the
rules of this folder, Grafana with its dashboards, and NVIDIA's Triton behind an orchestrator of
its own run where their programs are. A clip is streamed over and over, as frames and as keypoints.
Prints where everything is, and what is missing and why. Traces go where
OTEL_EXPORTER_OTLP_ENDPOINT says. Ends with 0 when it is told to end (Ctrl-C, SIGTERM), with 1 when
a program ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib import resources
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import yaml
from check_dashboard import (
    DEPLOY,
    SERVICES,
    Ports,
    free_port,
    local_command,
    local_config,
    process,
    until_ready,
)

from motioncast.client import MotioncastError, Service, connect
from motioncast.client.video import read_video
from motioncast.wire.images import Pixels

Running = asyncio.subprocess.Process

HERE: Final = "127.0.0.1"
TRITON_VENV: Final = Path(os.environ.get("TRITON_VENV", DEPLOY.parent / ".venv-triton"))
GRAFANA_HOMES: Final = (Path("/usr/share/grafana"), Path("/usr/local/share/grafana"))
PAUSE_SECONDS: Final = 1.0  # between two sessions
SESSION_FRAMES: Final = 100


@dataclass(slots=True)
class Stack:
    """What runs, and where.

    Attributes:
        folder: For files of configuration, of data and of logs.
        exits: Ends everything, the last first.
        places: Name and address of what can be looked at.
        missing: What does not run, and why.
        running: Every program, by name.
        targets: Address of the metrics of each job of Prometheus.
        orchestrators: Where sessions can be had.
    """

    folder: Path
    exits: AsyncExitStack
    places: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    running: dict[str, Running] = field(default_factory=dict)
    targets: dict[str, list[str]] = field(default_factory=dict)
    orchestrators: list[str] = field(default_factory=list)

    async def start(self, name: str, ready: str, *command: str, **variables: str) -> None:
        """Runs a program until it is ready at a URL.

        Raises:
            RuntimeError: It is not ready in time, or has ended.
        """
        log = self.folder / f"{name}.log"
        running = await self.exits.enter_async_context(process(log, *command, **variables))
        try:
            await until_ready(name, ready, running)
        except RuntimeError:
            print(log.read_text(errors="replace")[-2000:], file=sys.stderr)
            raise
        self.running[name] = running

    def show(self, name: str, path: str, port: int) -> None:
        """Notes where something can be looked at."""
        self.places.append((name, f"http://{HERE}:{port}{path}"))


async def start_services(stack: Stack, models: Path | None) -> None:
    """Starts the four services and the relay."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    motioncast = str(Path(sys.executable).with_name("motioncast"))
    ports = {
        name: Ports(port_near(50050 + place), port_near(8050 + place))
        for place, name in enumerate(("orchestrator", "keypoint", "predictor", "synthesis"))
    }
    relay = Ports(port_near(50055), port_near(8055))
    commands = {name: local_command(compose, name, ports) for name in SERVICES}
    at_the_relay = (f"--port={relay.grpc}", f"--http-port={relay.http}")
    commands["relay"] = ["relay", *at_the_relay]
    for name, arguments in commands.items():
        http = (ports | {"relay": relay})[name].http
        if models is not None and name != "relay":
            arguments.append(f"--models={models}")
        ready = f"http://{HERE}:{http}/ready"
        await stack.start(name, ready, motioncast, "serve", *arguments)
        stack.targets[name] = [f"{HERE}:{http}"]
        stack.show(name, "/metrics", http)
    stack.orchestrators.append(f"{HERE}:{ports['orchestrator'].grpc}")


async def start_triton(stack: Stack, models: Path | None) -> None:
    """Starts NVIDIA's Triton, and an orchestrator that runs ensembles on it."""
    motioncast = TRITON_VENV / "bin" / "motioncast"
    if not motioncast.exists():
        stack.missing.append(("triton", f"{TRITON_VENV} is not made: `make test-triton` makes it"))
        return
    grpc, http, door, door_http = (port_near(port) for port in (8001, 8002, 50060, 8060))
    own = [] if models is None else [f"--models={models}"]
    secret = secrets.token_urlsafe(32)
    await stack.start(
        "triton",
        f"http://{HERE}:{http}/metrics",
        *(str(motioncast), "serve", "models", "--engine=triton"),
        *(f"--port={grpc}", f"--http-port={http}", *own),
        MOTIONCAST_TRITON_SECRET=secret,
    )
    await stack.start(
        "orchestrator on triton",
        f"http://{HERE}:{door_http}/ready",
        *(str(Path(sys.executable).with_name("motioncast")), "serve", "orchestrator"),
        *("--pipeline=ensemble", f"--triton-url={HERE}:{grpc}"),
        *(f"--port={door}", f"--http-port={door_http}"),
        MOTIONCAST_TRITON_SECRET=secret,
    )
    stack.targets["triton"] = [f"{HERE}:{http}"]
    stack.targets["orchestrator"].append(f"{HERE}:{door_http}")
    stack.show("triton", "/metrics", http)
    stack.show("orchestrator on triton", "/metrics", door_http)
    stack.orchestrators.append(f"{HERE}:{door}")


async def start_prometheus(stack: Stack) -> str:
    """Starts Prometheus with the rules of this folder; returns its address, "" where it is not."""
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        stack.missing.append(("prometheus", "not found; Debian's package of that name has it"))
        return ""
    ours = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config = local_config(ours | {"scrape_configs": []}, {})
    config["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": targets}]}
        for job, targets in stack.targets.items()
    ]
    file, port = stack.folder / "prometheus.yml", port_near(9090)
    file.write_text(yaml.safe_dump(config))
    address = f"http://{HERE}:{port}"
    await stack.start(
        "prometheus",
        f"{address}/-/ready",
        prometheus,
        f"--config.file={file}",
        f"--storage.tsdb.path={stack.folder / 'prometheus'}",
        f"--web.listen-address={HERE}:{port}",
    )
    stack.show("prometheus", "/alerts", port)
    return address


async def start_grafana(stack: Stack, prometheus: str) -> None:
    """Starts Grafana with the dashboards of this folder."""
    grafana = shutil.which("grafana") or shutil.which("grafana-server")
    if grafana is None or not prometheus:
        reason = "not found; https://grafana.com/grafana/download has it, Debian has not"
        stack.missing.append(("grafana", reason if prometheus else "of no use without Prometheus"))
        return
    provisioning = write_provisioning(stack.folder / "provisioning", prometheus)
    port = port_near(3000)
    homes = [f"--homepath={home}" for home in GRAFANA_HOMES if home.is_dir()][:1]
    server = ["server"] if Path(grafana).name == "grafana" else []
    await stack.start(
        "grafana",
        f"http://{HERE}:{port}/api/health",
        *(grafana, *server, *homes),
        GF_SERVER_HTTP_ADDR=HERE,
        GF_SERVER_HTTP_PORT=str(port),
        GF_PATHS_DATA=str(stack.folder / "grafana"),
        GF_PATHS_LOGS=str(stack.folder / "grafana"),
        GF_PATHS_PROVISIONING=str(provisioning),
        GF_AUTH_ANONYMOUS_ENABLED="true",
    )
    stack.show("grafana", "/d/motioncast", port)


def write_provisioning(folder: Path, prometheus: str) -> Path:
    """Writes what Grafana is told at its start, with addresses of this machine; returns where."""
    ours = DEPLOY / "grafana" / "provisioning"
    sources = yaml.safe_load((ours / "datasources/prometheus.yaml").read_text())
    dashboards = yaml.safe_load((ours / "dashboards/motioncast.yaml").read_text())
    for source in sources["datasources"]:
        source["url"] = prometheus
    for provider in dashboards["providers"]:
        provider["options"]["path"] = str(DEPLOY / "grafana" / "dashboards")
    for name, content in (("datasources", sources), ("dashboards", dashboards)):
        (folder / name).mkdir(parents=True)
        (folder / name / "motioncast.yaml").write_text(yaml.safe_dump(content))
    return folder


async def load(target: str, clip: Path, rate: float) -> None:
    """Streams a clip over and over, as frames and as keypoints, half of it forecast."""
    async with connect(target, timeout=60) as service:
        info = await service.server_info(timeout=30)
        with read_video(clip, info.models[0].height) as video:
            frames = list(video.frames)
        while True:
            try:
                await sessions(service, frames, rate)
            except MotioncastError as error:
                print(f"a session at {target} ended: {error}", file=sys.stderr)
            await asyncio.sleep(PAUSE_SECONDS)


async def sessions(service: Service, frames: Sequence[Pixels], rate: float) -> None:
    """Streams one session of frames, and one of the keypoints that came back."""
    some = [frame for frame, _ in zip(cycle(frames), range(SESSION_FRAMES), strict=False)]
    results = [one async for one in service.stream(paced(some, rate), observed=5, predicted=5)]
    keypoints = paced([one.keypoints for one in results], rate)
    sent = service.stream_keypoints(keypoints, source=some[0], observed=1, predicted=1)
    async for _ in sent:
        pass


async def paced(values: Sequence[Any], rate: float) -> AsyncGenerator[Any, None]:
    """Yields so many values a second."""
    for value in values:
        yield value
        await asyncio.sleep(1 / rate)


async def observe(options: argparse.Namespace) -> int:
    """Runs everything until it is told to stop; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="motioncast-observe-") as folder:
        told = asyncio.create_task(told_to_stop())
        async with AsyncExitStack() as exits:
            stack = Stack(Path(folder), exits)
            starting = asyncio.create_task(start(stack, options))
            await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.wait({starting})
                return 0
            try:
                starting.result()
            except RuntimeError as error:
                print(error, file=sys.stderr)
                return 1
            show(stack)
            return await until_told(stack, told, options)


async def start(stack: Stack, options: argparse.Namespace) -> None:
    """Starts all that can run here."""
    print("starting the services ...", flush=True)
    await start_services(stack, options.models)
    stack.missing += [(name, "left out") for name in options.without]
    if "triton" not in options.without:
        await start_triton(stack, options.models)
    prometheus = "" if "prometheus" in options.without else await start_prometheus(stack)
    if "grafana" not in options.without:
        await start_grafana(stack, prometheus)


def show(stack: Stack) -> None:
    """Prints where everything is, and what is not."""
    traces = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    lines = [
        *stack.places,
        *(("sessions at", target) for target in stack.orchestrators),
        ("traces", traces or "not sent: OTEL_EXPORTER_OTLP_ENDPOINT is not set"),
        *((name, f"not here: {reason}") for name, reason in stack.missing),
        ("logs", str(stack.folder)),
    ]
    for name, what in lines:
        print(f"  {name:<24} {what}")
    print("Ctrl-C ends everything", flush=True)


async def until_told(stack: Stack, told: asyncio.Task[None], options: argparse.Namespace) -> int:
    """Streams until it is told to stop, or something ends by itself; returns the exit code."""
    ends = {asyncio.create_task(one.wait()): name for name, one in stack.running.items()}
    loads = {
        asyncio.create_task(load(target, options.clip, options.rate)): f"the load on {target}"
        for target in stack.orchestrators
    }
    tasks: dict[asyncio.Task[Any], str] = {**ends, **loads}
    done, waiting = await asyncio.wait({told, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting)
    for task in done - {told}:
        print(
            f"{tasks[task]} ended by itself: {task.exception() or 'see its log'}", file=sys.stderr
        )
    return 0 if told in done else 1


async def told_to_stop() -> None:
    """Returns at Ctrl-C or SIGTERM."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stopped.set)
    await stopped.wait()
    print("ending ...", flush=True)


def port_near(wanted: int) -> int:
    """Returns the port that is wanted, or a free one where somebody has that."""
    with socket.socket() as probe:
        try:
            probe.bind((HERE, wanted))
        except OSError:
            return free_port()
    return wanted


def parsed() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=5.0, help="frames a second of each session")
    parser.add_argument("--models", type=Path, help="model repository; the shipped one")
    parser.add_argument("--clip", type=Path, help="video to stream; the bundled interview")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=["triton", "prometheus", "grafana"],
        help="what is not to be started",
    )
    options = parser.parse_args()
    if options.rate <= 0:
        parser.error("--rate is above 0")
    return options


if __name__ == "__main__":
    given = parsed()
    asset = resources.files("motioncast.cli").joinpath("assets/interview.mp4")
    with resources.as_file(asset) as bundled:
        given.clip = given.clip or bundled
        sys.exit(asyncio.run(observe(given)))
