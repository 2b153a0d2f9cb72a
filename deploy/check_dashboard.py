"""Runs every query of dashboards and rules once against a real Prometheus, with real services.

The four services are started as processes with the commands of compose.yaml, Prometheus with the
jobs of prometheus.yml; only addresses differ, because everything is on this machine. Two streams
run until Prometheus has scraped everything a few times, one of frames, one of keypoints. Needs
Debian's package `prometheus`. Exit code 1 when a query fails, or has nothing to show: only alerts
and what is about Triton or the relay, which do not run here, may be empty.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import signal
import socket
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from motioncast.client import Service, connect
from motioncast.client.video import read_video

DEPLOY: Final = Path(__file__).parent
SERVICES: Final = ("keypoint", "predictor", "synthesis", "orchestrator")
SCRAPES: Final = 4  # of every target before the queries are run
ROUNDS: Final = 3  # of streams: a rate needs a call that ends after the first was seen
RATE_INTERVAL: Final = "1m"
STARTUP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a dashboard or a rule."""

    panel: str  # or rule
    expression: str  # PromQL, Grafana's variables filled in
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What Prometheus said to a query: the value of each series, or why there is none."""

    query: Query
    values: tuple[tuple[str, float], ...] = ()  # labels, value
    problem: str = ""

    @property
    def is_good(self) -> bool:
        shows = self.query.may_be_empty or any(math.isfinite(value) for _, value in self.values)
        return shows and not self.problem


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one service listens on this machine."""

    grpc: int
    http: int


def dashboard_queries(dashboard: Path) -> list[Query]:
    """Returns the queries of a Grafana dashboard in the order of its panels."""
    panels = json.loads(dashboard.read_text())["panels"]
    return [
        Query(panel["title"], filled_in(target["expr"]), is_elsewhere(target["expr"]))
        for panel in panels
        for target in panel.get("targets", ())
    ]


def filled_in(expression: str) -> str:
    """Returns a query with everything chosen that a dashboard lets one choose."""
    return (
        expression.replace("$__rate_interval", RATE_INTERVAL)
        .replace("$instance", ".*")
        .replace("$model", ".*")
    )


def is_elsewhere(expression: str) -> bool:
    """Returns whether a query is about what does not run here."""
    return "nv_" in expression or "motioncast_relay_" in expression


def rule_queries(folder: Path) -> list[Query]:
    """Returns the expressions of the rules of a folder; an alert that is quiet is empty."""
    return [
        Query(
            rule.get("record") or rule["alert"],
            rule["expr"],
            "alert" in rule or is_elsewhere(rule["expr"]),
        )
        for file in sorted(folder.glob("*.yml"))
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


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


def local_config(config: dict[str, Any], ports: dict[str, Ports]) -> dict[str, Any]:
    """Returns prometheus.yml with every job's replicas on this machine, scraped every second."""
    jobs = [
        {
            "job_name": job["job_name"],
            "static_configs": [{"targets": [f"127.0.0.1:{ports[job['job_name']].http}"]}],
        }
        for job in config["scrape_configs"]
    ]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(DEPLOY / "prometheus" / pattern) for pattern in config["rule_files"]],
        "scrape_configs": jobs,
    }


# What is on this machine no proxy need or can reach.
_HERE: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def fetch(url: str) -> bytes:
    """Returns the body that an address answers with; raises OSError when it does not, or 4xx."""

    def read() -> bytes:
        with _HERE.open(url, timeout=5) as response:
            return bytes(response.read())

    return await asyncio.to_thread(read)


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
        if await running.wait() != 0:
            print(f"{' '.join(command)} ended with {running.returncode}:\n{log.read_text()}")


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


@asynccontextmanager
async def everything(folder: Path, ports: dict[str, Ports], prometheus: str) -> AsyncIterator[str]:
    """Starts the services, then Prometheus; yields Prometheus's address."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    motioncast = Path(sys.executable).with_name("motioncast")
    async with AsyncExitStack() as exits:
        for name in SERVICES:
            command = [str(motioncast), "serve", *local_command(compose, name, ports)]
            running = await exits.enter_async_context(process(folder / f"{name}.log", *command))
            url = f"http://127.0.0.1:{ports[name].http}/ready"
            await until_ready(name, url, running)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(local_config(config, ports)))
        address = f"127.0.0.1:{free_port()}"
        command = [
            prometheus,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ]
        running = await exits.enter_async_context(process(folder / "prometheus.log", *command))
        await until_ready("prometheus", f"http://{address}/-/ready", running)
        yield f"http://{address}"


async def stream_both_ways(service: Service, clip: Path) -> int:
    """Streams a clip as frames, then as keypoints, half of it forecast; returns frames received."""
    size = (await service.server_info(timeout=10)).models[0].height
    with read_video(clip, size) as video:
        frames = list(video.frames)
    results = [frame async for frame in service.stream(frames, observed=5, predicted=5)]
    keypoints = [result.keypoints for result in results]
    sent = service.stream_keypoints(keypoints, source=frames[0], observed=1, predicted=1)
    return len(results) + len([frame async for frame in sent])


async def ask(prometheus: str, query: Query) -> Answer:
    """Runs one query now."""
    arguments = urllib.parse.urlencode({"query": query.expression})
    try:
        answer = json.loads(await fetch(f"{prometheus}/api/v1/query?{arguments}"))
    except urllib.error.HTTPError as error:
        return Answer(query, problem=json.loads(error.read())["error"])
    series = answer["data"]["result"]
    return Answer(query, tuple((_labels(one["metric"]), float(one["value"][1])) for one in series))


async def check(clip: Path, prometheus: str) -> list[Answer]:
    """Returns the answer to every query after some streaming."""
    ports = {name: Ports(free_port(), free_port()) for name in SERVICES}
    scrapes = Query("", "min(count_over_time(up[1m]))")
    with tempfile.TemporaryDirectory() as folder:
        async with (
            everything(Path(folder), ports, prometheus) as address,
            connect(f"127.0.0.1:{ports['orchestrator'].grpc}") as service,
        ):
            frames, rounds, scraped = 0, 0, 0.0
            while scraped < SCRAPES or rounds < ROUNDS:
                rounds += 1
                frames += await stream_both_ways(service, clip)
                scraped = max(
                    (value for _, value in (await ask(address, scrapes)).values), default=0
                )
            print(f"{frames} frames streamed, every service scraped {scraped:.0f} times")
            dashboards = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
            queries = [one for file in dashboards for one in dashboard_queries(file)]
            queries += rule_queries(DEPLOY / "prometheus" / "rules")
            return [await ask(address, query) for query in queries]


def main(clip: Annotated[Path, typer.Argument(help="A video with a moving head.")]) -> None:
    """Run every query of dashboards and rules once, on a real Prometheus and real services."""
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        print("prometheus: not found; Debian's package of that name has it", file=sys.stderr)
        raise typer.Exit(1)
    answers = asyncio.run(check(clip, prometheus))
    for answer in answers:
        mark = "ok    " if answer.is_good else "FAILED"
        print(f"{mark} {answer.query.panel}\n       {answer.query.expression}")
        for labels, value in answer.values:
            print(f"           {labels or 'all'} = {value:.6g}")
        if answer.problem:
            print(f"           {answer.problem}")
    good = sum(answer.is_good for answer in answers)
    print(f"{good} of {len(answers)} queries work and have what they should to show")
    raise typer.Exit(good != len(answers))


def _labels(metric: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(metric.items()))


if __name__ == "__main__":
    typer.run(main)
