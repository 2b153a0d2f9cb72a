"""Settings of `motioncast serve` for its datagram port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True)
class Datagrams:
    """Where the orchestrator accepts keypoint packets as QUIC datagrams."""

    port: Annotated[
        int | None,
        typer.Option(
            "--datagram-port",
            metavar="PORT",
            help="orchestrator: UDP port that accepts coded keypoints as QUIC datagrams; 0 picks "
            "a free port. Default: none, keypoints are accepted over gRPC only.",
        ),
    ] = None
    public_port: Annotated[
        int | None,
        typer.Option(
            "--datagram-public-port",
            metavar="PORT",
            help="orchestrator: UDP port announced to clients, if a different port is forwarded "
            "to --datagram-port. Default: the same port.",
        ),
    ] = None
    wait: Annotated[
        float,
        typer.Option(
            "--datagram-wait",
            metavar="SECONDS",
            help="orchestrator: how long a frame waits for missing earlier frames; after that "
            "they count as lost and are forecast.",
        ),
    ] = 0.06
