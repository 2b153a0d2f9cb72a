"""The settings of `motioncast serve`: sections of settings, here and in the other `*_settings.py`.

A setting is one field of a section: it has a command-line option, a key in the file given by
`--config`, and an environment variable. `port` in the section `listen` is

    --port 50050        [listen] port = 50050        MOTIONCAST_LISTEN_PORT=50050

Importing this module needs none of the services.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer

from motioncast.cli.datagram_settings import Datagrams
from motioncast.cli.lock_settings import Ssl, Tokens
from motioncast.cli.model_settings import Engine, Models, Triton
from motioncast.cli.session_settings import Calls, Sessions


class LogLevel(StrEnum):
    """The lowest level of messages that are logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the services listen."""

    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen on; 0.0.0.0 for all addresses of this machine."
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            help="gRPC port. Default: 50050 orchestrator, 50051 keypoint, 50052 predictor, 50053 "
            "synthesis, 50054 models, 50055 relay. For all services: the first of four "
            "consecutive ports. 0 picks free ports.",
        ),
    ] = None
    http_port: Annotated[
        int | None,
        typer.Option(
            "--http-port",
            help="HTTP port of /metrics, /live and /ready. Default: 8050 to 8055, in the same "
            "order.",
        ),
    ] = None
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="Allow plain text on addresses that other machines can reach; only for private "
            "networks.",
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Services:
    """Where an orchestrator that runs alone finds the other services."""

    keypoint: Annotated[
        str, typer.Option("--keypoint", help="orchestrator: HOST:PORT of the keypoint service.")
    ] = "localhost:50051"
    predictor: Annotated[
        str, typer.Option("--predictor", help="orchestrator: HOST:PORT of the predictor service.")
    ] = "localhost:50052"
    synthesis: Annotated[
        str, typer.Option("--synthesis", help="orchestrator: HOST:PORT of the synthesis service.")
    ] = "localhost:50053"
    token: Annotated[
        Path | None,
        typer.Option(
            "--services-token-file",
            help="File of the token (scope admin) to send to services that require one: those "
            "above, or the model server (--triton-url).",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Log:
    """What is logged, and how."""

    level: Annotated[
        LogLevel,
        typer.Option("--log-level", case_sensitive=False, help="Lowest level to log."),
    ] = LogLevel.INFO
    json: Annotated[bool, typer.Option("--log-json", help="Write log lines as JSON.")] = False


@dataclass(frozen=True, slots=True)
class Traces:
    """Where traces are sent, and how many; OpenTelemetry's own variables set the rest."""

    endpoint: Annotated[
        str | None,
        typer.Option(
            "--traces-endpoint",
            metavar="URL",
            help="OpenTelemetry collector to send traces to (OTLP over gRPC), such as "
            "http://localhost:4317. Default: OTEL_EXPORTER_OTLP_ENDPOINT; without either, "
            "nothing is traced.",
        ),
    ] = None
    ratio: Annotated[
        float | None,
        typer.Option(
            "--traces-ratio",
            metavar="SHARE",
            help="Share of sessions to trace, 0 to 1. Default: set by OTEL_TRACES_SAMPLER, else "
            "all.",
        ),
    ] = None
    callers: Annotated[
        bool,
        typer.Option(
            "--traces-callers",
            help="Continue traces that callers started; the caller then decides whether a "
            "session is traced.",
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """All settings of `motioncast serve`, section by section."""

    listen: Listen = field(default_factory=Listen)
    ssl: Ssl = field(default_factory=Ssl)
    tokens: Tokens = field(default_factory=Tokens)
    services: Services = field(default_factory=Services)
    models: Models = field(default_factory=Models)
    engine: Engine = field(default_factory=Engine)
    triton: Triton = field(default_factory=Triton)
    sessions: Sessions = field(default_factory=Sessions)
    datagrams: Datagrams = field(default_factory=Datagrams)
    calls: Calls = field(default_factory=Calls)
    log: Log = field(default_factory=Log)
    traces: Traces = field(default_factory=Traces)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ServeSettings:
        """Returns the settings from values keyed by parameter names, as in `parameters`."""
        return cls(
            **{
                section: kind(
                    **{
                        one.name: values[name]
                        for one in fields(kind)
                        if (name := f"{section}_{one.name}") in values
                    }
                )
                for section, kind in SECTIONS.items()
            }
        )


SECTIONS: Final[dict[str, Any]] = get_type_hints(ServeSettings)


def parameters() -> list[inspect.Parameter]:
    """Returns every setting as a parameter SECTION_KEY of a command, as typer reads them."""
    return [
        inspect.Parameter(
            f"{section}_{one.name}",
            inspect.Parameter.KEYWORD_ONLY,
            default=one.default,
            annotation=get_type_hints(kind, include_extras=True)[one.name],
        )
        for section, kind in SECTIONS.items()
        for one in fields(kind)
    ]
