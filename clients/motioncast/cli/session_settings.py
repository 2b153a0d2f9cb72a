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
            help="orchestrator: services: a group is three calls of services; ensemble: one call "
            "of models in a row, where the models are run.",
        ),
    ] = PipelineName.SERVICES
    maximum: Annotated[
        int, typer.Option("--max-sessions", help="orchestrator: sessions served at once.")
    ] = 64
    maximum_per_peer: Annotated[
        int | None,
        typer.Option(
            "--max-sessions-per-peer",
            help="orchestrator: sessions of one address at once. Default: a quarter of all; behind "
            "a proxy that is one address for everybody, so name as many as --max-sessions.",
        ),
    ] = None
    silence: Annotated[
        float,
        typer.Option(
            "--silence",
            metavar="SECONDS",
            help="orchestrator: a session whose client says nothing for so long is ended.",
        ),
    ] = 10.0
    latency_target: Annotated[
        float,
        typer.Option(
            "--latency-target",
            metavar="SECONDS",
            help="orchestrator: sessions are refused that would make more than 5 of 100 groups "
            "later than this for their frame rate; 0 refuses none.",
        ),
    ] = 1.0
    group_slots: Annotated[
        int | None,
        typer.Option(
            "--group-slots",
            help="orchestrator: groups worked on at once; others wait in an order that is fair to "
            "sessions and peers. Default: twice the runs of the models here, 32 where they are "
            "elsewhere.",
        ),
    ] = None
    resume_key: Annotated[
        Path | None,
        typer.Option(
            "--resume-key",
            help="orchestrator: file of the secret that resume tokens are signed with. Replicas "
            "share it, and sessions go on from one to another. Default: one of this process.",
        ),
    ] = None
    max_message_bytes: Annotated[
        int, typer.Option("--max-message-bytes", help="orchestrator: largest message accepted.")
    ] = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Calls:
    """The load that one service accepts."""

    max_concurrent: Annotated[
        int,
        typer.Option(
            "--max-concurrent-calls", help="One service alone: calls at once; others wait."
        ),
    ] = 80
    max_queued: Annotated[
        int,
        typer.Option(
            "--max-queued-calls",
            help="One service alone: calls that may wait; others are refused.",
        ),
    ] = 64
    drain_grace: Annotated[
        float,
        typer.Option(
            "--drain-grace", help="Seconds that running calls have to end when told to stop."
        ),
    ] = 5.0
