"""Runs every query of the dashboards and rules against a real Prometheus and real services.

    python deploy/check_dashboard.py [--models FOLDER]

Starts everything that `make observe` does and streams a clip, as frames and as keypoints, until all
queries return data. Needs Debian's package `prometheus`. Exits with 1 if a query fails or returns
nothing in time; only alerts, queries about Triton when it is absent, and queries about GPUs may be
empty.
"""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import sys
import urllib.error
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
import yaml
from everything import Choices, running
from programs import DEPLOY, fetch

RATE_INTERVAL: Final = "1m"
PATIENCE_SECONDS: Final = 240.0  # until every query must return data
LOOK_SECONDS: Final = 5.0  # between rounds of queries


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a dashboard or a rule."""

    panel: str  # or the rule
    expression: str  # PromQL with Grafana's variables substituted
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Prometheus's answer to a query: the value of each series, or an error."""

    query: Query
    values: tuple[tuple[str, float], ...] = ()  # labels, value
    problem: str = ""

    @property
    def is_good(self) -> bool:
        shows = self.query.may_be_empty or any(math.isfinite(value) for _, value in self.values)
        return shows and not self.problem


async def check(choices: Choices) -> list[Answer]:
    """Returns the answers to all queries once all are good or time is up."""
    loop = asyncio.get_running_loop()
    async with running(choices) as stack:
        elsewhere = ["nv_gpu_"] if "triton" in stack.running else ["nv_"]
        queries = [
            *(
                query
                for file in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
                for query in dashboard_queries(file, elsewhere)
            ),
            *rule_queries(DEPLOY / "prometheus" / "rules", elsewhere),
        ]
        for name, reason in stack.missing:
            print(f"{name} is not running: {reason}")
        over = loop.time() + PATIENCE_SECONDS
        async with asyncio.TaskGroup() as tasks:
            loads = [tasks.create_task(one) for one in stack.loads()]
            while True:
                answers = [await ask(stack.prometheus, query) for query in queries]
                good = sum(answer.is_good for answer in answers)
                print(f"{good} of {len(answers)} queries return data", flush=True)
                if good == len(answers) or loop.time() > over:
                    break
                await asyncio.sleep(LOOK_SECONDS)
            for load in loads:
                load.cancel()
    return answers


async def ask(prometheus: str, query: Query) -> Answer:
    """Runs one query now."""
    arguments = urllib.parse.urlencode({"query": query.expression})
    try:
        answer = json.loads(await fetch(f"{prometheus}/api/v1/query?{arguments}"))
    except urllib.error.HTTPError as error:
        return Answer(query, problem=json.loads(error.read())["error"])
    series = answer["data"]["result"]
    return Answer(query, tuple((_labels(one["metric"]), float(one["value"][1])) for one in series))


def dashboard_queries(dashboard: Path, elsewhere: Sequence[str]) -> list[Query]:
    """Returns the queries of a Grafana dashboard; those naming `elsewhere` metrics may be empty."""
    panels = json.loads(dashboard.read_text())["panels"]
    return [
        Query(panel["title"], filled_in(target["expr"]), _names_any(target["expr"], elsewhere))
        for panel in panels
        for target in panel.get("targets", ())
    ]


def filled_in(expression: str) -> str:
    """Returns a query with the dashboard's variables substituted so that everything is selected."""
    return (
        expression.replace("$__rate_interval", RATE_INTERVAL)
        .replace("$instance", ".*")
        .replace("$model", ".*")
    )


def rule_queries(folder: Path, elsewhere: Sequence[str]) -> list[Query]:
    """Returns the expressions of a folder's rules; alerts may be empty, as they do not fire."""
    return [
        Query(
            rule.get("record") or rule["alert"],
            rule["expr"],
            "alert" in rule or _names_any(rule["expr"], elsewhere),
        )
        for file in sorted(folder.glob("*.yml"))
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


def _names_any(expression: str, names: Sequence[str]) -> bool:
    return any(name in expression for name in names)


def _labels(metric: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(metric.items()))


def main(
    models: Annotated[
        Path | None, typer.Option(help="Model repository to serve. Default: the shipped one.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Frames per second of each session.")] = 10.0,
) -> None:
    """Run every query of dashboards and rules, on a real Prometheus and real services."""
    if shutil.which("prometheus") is None:
        print("prometheus: not found; install Debian's package prometheus", file=sys.stderr)
        raise typer.Exit(1)
    try:
        answers = asyncio.run(check(Choices(models=models, rate=rate, without=("grafana",))))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    for answer in answers:
        mark = "ok    " if answer.is_good else "FAILED"
        print(f"{mark} {answer.query.panel}\n       {answer.query.expression}")
        for labels, value in answer.values:
            print(f"           {labels or 'all'} = {value:.6g}")
        if answer.problem:
            print(f"           {answer.problem}")
    good = sum(answer.is_good for answer in answers)
    print(f"{good} of {len(answers)} queries work and return the expected data")
    raise typer.Exit(good != len(answers))


if __name__ == "__main__":
    typer.run(main)
