"""Starts the whole stack on this machine: services, monitoring, and sessions as a load.

Each service is a process started with its command from compose.yaml, plus the relay. A real
Prometheus with the rules of this folder, Grafana with its dashboards, and NVIDIA's Triton behind
its own orchestrator are started if their programs are installed. Only addresses differ from a
deployment, because everything runs on one machine.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml
from loads import load, load_relay
from programs import (
    DEPLOY,
    HERE,
    Ports,
    first_that_answers,
    local_command,
    port_near,
    process,
    until_ready,
)

Running = asyncio.subprocess.Process

SERVICES: Final = ("keypoint", "predictor", "synthesis", "orchestrator")
TRITON_VENV: Final = Path(os.environ.get("TRITON_VENV", DEPLOY.parent / ".venv-triton"))
GRAFANA_HOMES: Final = (Path("/usr/share/grafana"), Path("/usr/local/share/grafana"))
ALERTS: Final = ("/alerts", "/classic/alerts", "/api/v1/alerts")  # Prometheus, Debian's, API


class Optional(StrEnum):
    """Programs that may not be installed."""

    TRITON = "triton"
    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"


@dataclass(frozen=True, slots=True)
class Choices:
    """Options that select what to run.

    Attributes:
        models: Model repository; None for the shipped one.
        clip: The video to stream; None for the bundled interview.
        rate: Frames per second of each session.
        without: Which of triton, prometheus and grafana not to start.
    """

    models: Path | None = None
    clip: Path | None = None
    rate: float = 5.0
    without: Sequence[str] = ()


@dataclass(slots=True)
class Stack:
    """The running programs and their addresses.

    Attributes:
        folder: Folder for configuration, data and log files.
        exits: Stops everything, in reverse order.
        choices: The options it was started with.
        places: Names and addresses of pages to open in a browser.
        missing: Programs that do not run, and why.
        running, commands: Every process and the command that started it, by name.
        targets: Metrics addresses of each Prometheus job.
        orchestrators, relay: Addresses that serve sessions and rooms.
        prometheus: Its address; "" if it does not run.
    """

    folder: Path
    exits: AsyncExitStack
    choices: Choices
    places: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    running: dict[str, Running] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    targets: dict[str, list[str]] = field(default_factory=dict)
    orchestrators: list[str] = field(default_factory=list)
    relay: str = ""
    prometheus: str = ""

    async def start(self, name: str, ready: str, *command: str, **variables: str) -> None:
        """Starts a program and waits until a URL answers.

        Raises:
            RuntimeError: The program is not ready in time, or has ended.
        """
        log = self.folder / f"{name}.log"
        running = await self.exits.enter_async_context(process(log, *command, **variables))
        try:
            await until_ready(name, ready, running)
        except RuntimeError:
            print(log.read_text(errors="replace")[-2000:], file=sys.stderr)
            raise
        self.running[name] = running
        self.commands[name] = shlex.join(command)

    def loads(self) -> list[Coroutine[Any, Any, None]]:
        """Returns coroutines that stream to each orchestrator and through the relay for ever."""
        clip, models, rate = self.choices.clip, self.choices.models, self.choices.rate
        sessions = [load(target, clip, rate) for target in self.orchestrators]
        return [*sessions, load_relay(self.relay, models, rate)]

    def show(self, name: str, path: str, port: int) -> None:
        """Records the address of a page."""
        self.places.append((name, f"http://{HERE}:{port}{path}"))


@asynccontextmanager
async def running(choices: Choices) -> AsyncIterator[Stack]:
    """Yields the stack with everything started; leaving the block stops it.

    Raises:
        RuntimeError: A required program does not start.
    """
    with tempfile.TemporaryDirectory(prefix="motioncast-") as folder:
        async with AsyncExitStack() as exits:
            stack = Stack(Path(folder), exits, choices)
            await start_services(stack)
            stack.missing += [(name, "excluded by --without") for name in choices.without]
            for optional, start in (
                (Optional.TRITON, start_triton),
                (Optional.PROMETHEUS, start_prometheus),
                (Optional.GRAFANA, start_grafana),
            ):
                if optional in choices.without:
                    continue
                try:
                    await start(stack)
                except RuntimeError as error:
                    stack.missing.append(
                        (optional, f"{error} (see the last lines of its log above)")
                    )
            yield stack


async def start_services(stack: Stack) -> None:
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
        if stack.choices.models is not None and name != "relay":
            arguments.append(f"--models={stack.choices.models}")
        ready = f"http://{HERE}:{http}/ready"
        await stack.start(name, ready, motioncast, "serve", *arguments)
        stack.targets[name] = [f"{HERE}:{http}"]
        stack.show(name, "/metrics", http)
    stack.orchestrators.append(f"{HERE}:{ports['orchestrator'].grpc}")
    stack.relay = f"{HERE}:{relay.grpc}"


async def start_triton(stack: Stack) -> None:
    """Starts NVIDIA's Triton and an orchestrator that runs ensembles on it."""
    motioncast = TRITON_VENV / "bin" / "motioncast"
    if not motioncast.exists():
        stack.missing.append(
            ("triton", f"{TRITON_VENV} does not exist; run `make test-triton` to create it")
        )
        return
    grpc, http, door, door_http = (port_near(port) for port in (8001, 8002, 50060, 8060))
    models = stack.choices.models
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


async def start_prometheus(stack: Stack) -> None:
    """Starts Prometheus with the rules of this folder; it scrapes every second."""
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        stack.missing.append(("prometheus", "not found; install Debian's package prometheus"))
        return
    ours = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(DEPLOY / "prometheus" / pattern) for pattern in ours["rule_files"]],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": targets}]}
            for job, targets in stack.targets.items()
        ],
    }
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
    stack.show("prometheus", await first_that_answers(address, ALERTS), port)
    stack.prometheus = address


async def start_grafana(stack: Stack) -> None:
    """Starts Grafana with the dashboards of this folder."""
    grafana = shutil.which("grafana") or shutil.which("grafana-server")
    if grafana is None or not stack.prometheus:
        reason = "not found; install it from https://grafana.com/grafana/download"
        useless = "not started without Prometheus"
        stack.missing.append(("grafana", reason if stack.prometheus else useless))
        return
    provisioning = write_provisioning(stack.folder / "provisioning", stack.prometheus)
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
    """Writes Grafana's provisioning files with addresses of this machine; returns their folder."""
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
