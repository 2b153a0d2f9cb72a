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
            help="orchestrator: UDP port where coded keypoints may come as QUIC datagrams, too; 0 "
            "takes a free one. Default: none, they come over gRPC.",
        ),
    ] = None
    public_port: Annotated[
        int | None,
        typer.Option(
            "--datagram-public-port",
            metavar="PORT",
            help="orchestrator: UDP port that clients are told, where another one leads to this "
            "one. Default: the port itself.",
        ),
    ] = None
    wait: Annotated[
        float,
        typer.Option(
            "--datagram-wait",
            metavar="SECONDS",
            help="orchestrator: how long a frame waits for those before it that have not come; "
            "then they are lost, and forecast.",
        ),
    ] = 0.06
