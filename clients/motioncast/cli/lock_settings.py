"""Settings of `motioncast serve` for access control: encryption and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SslMode(StrEnum):
    """How ports are encrypted."""

    DISABLED = "DISABLED"
    TLS = "TLS"
    MTLS = "MTLS"


@dataclass(frozen=True, slots=True)
class Ssl:
    """How every port is encrypted, and how this server identifies itself to other services."""

    mode: Annotated[
        SslMode,
        typer.Option(
            "--ssl-mode",
            case_sensitive=False,
            help="TLS encrypts every port; MTLS also requires a client certificate signed by "
            "--ssl-ca.",
        ),
    ] = SslMode.DISABLED
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--ssl-certificate",
            help="PEM file of the server certificate. Changed files take effect immediately.",
        ),
    ] = None
    key: Annotated[
        Path | None,
        typer.Option(
            "--ssl-key", help="PEM file of the server certificate's key, without a password."
        ),
    ] = None
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ssl-ca",
            help="PEM file of the authority that signs the certificates of clients, and of the "
            "services that an orchestrator calls.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Which bearer tokens (JWT) callers must present; without keys none are required."""

    keys: Annotated[
        Path | None,
        typer.Option(
            "--token-keys",
            help="File of the public keys to verify tokens with: JWKS, or a single key in PEM.",
        ),
    ] = None
    keys_url: Annotated[
        str | None,
        typer.Option("--token-keys-url", metavar="URL", help="URL of those keys (JWKS)."),
    ] = None
    issuer: Annotated[str | None, typer.Option("--token-issuer", help="Required issuer (iss).")] = (
        None
    )
    audience: Annotated[str, typer.Option("--token-audience", help="Required audience (aud).")] = (
        "motioncast"
    )
    leeway: Annotated[
        float,
        typer.Option("--token-leeway", metavar="SECONDS", help="Tolerated clock difference."),
    ] = 30.0
