"""Settings of `motioncast serve` for the sessions and calls that are accepted, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class PipelineName(StrEnum):
    """How the orchestrator processes groups."""

    SERVICES = "services"
    ENSEMBLE = "ensemble"


@dataclass(frozen=True, slots=True)
class Sessions:
    """What the orchestrator does and allows."""

    pipeline: Annotated[
        PipelineName,
        typer.Option(
            "--pipeline",
            help="orchestrator: how groups are processed. services: three service calls per "
            "group; ensemble: one call of chained models, on the engine that runs them.",
        ),
    ] = PipelineName.SERVICES
    maximum: Annotated[
        int,
        typer.Option("--max-sessions", help="orchestrator: maximum number of concurrent sessions."),
    ] = 64
    maximum_per_peer: Annotated[
        int | None,
        typer.Option(
            "--max-sessions-per-peer",
            help="orchestrator: maximum number of concurrent sessions per client address. "
            "Default: a quarter of --max-sessions. Behind a proxy all clients share one "
            "address: set it to --max-sessions.",
        ),
    ] = None
    silence: Annotated[
        float,
        typer.Option(
            "--silence",
            metavar="SECONDS",
            help="orchestrator: end a session whose client sends nothing for this long.",
        ),
    ] = 10.0
    latency_target: Annotated[
        float,
        typer.Option(
            "--latency-target",
            metavar="SECONDS",
            help="orchestrator: refuse sessions that would make more than 5 % of groups later "
            "than this for their frame rate; 0 refuses none.",
        ),
    ] = 1.0
    group_slots: Annotated[
        int | None,
        typer.Option(
            "--group-slots",
            help="orchestrator: groups processed concurrently; others wait in a queue that is "
            "fair to sessions and peers. Default: twice --max-runs for models in this "
            "process, 32 for models elsewhere.",
        ),
    ] = None
    resume_key: Annotated[
        Path | None,
        typer.Option(
            "--resume-key",
            help="orchestrator: file of the secret that signs resume tokens. Replicas that share "
            "it can resume each other's sessions. Default: a random secret per process.",
        ),
    ] = None
    max_message_bytes: Annotated[
        int, typer.Option("--max-message-bytes", help="orchestrator: size limit of a message.")
    ] = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Calls:
    """The load that one service accepts."""

    max_concurrent: Annotated[
        int,
        typer.Option(
            "--max-concurrent-calls",
            help="Single service: maximum number of concurrent calls; others wait.",
        ),
    ] = 80
    max_queued: Annotated[
        int,
        typer.Option(
            "--max-queued-calls",
            help="Single service: maximum number of waiting calls; others are refused.",
        ),
    ] = 64
    drain_grace: Annotated[
        float,
        typer.Option(
            "--drain-grace",
            help="Seconds that running calls have to finish after SIGTERM or Ctrl-C.",
        ),
    ] = 5.0
