"""What `motioncast serve` can be told. Every setting is declared here, and nowhere else.

A setting is one field of a section: it has an option of the command line, a key of the file that
`--config` names, and a variable of the environment. `port` of the section `listen` is

    --port 50050        [listen] port = 50050        MOTIONCAST_LISTEN_PORT=50050

Importing this needs none of the services.
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


class ProviderName(StrEnum):
    """What can compute the models in this process."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


class PrecisionName(StrEnum):
    """The precision of the computation."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class PipelineName(StrEnum):
    """How the orchestrator has groups processed."""

    SERVICES = "services"
    ENSEMBLE = "ensemble"


class SslMode(StrEnum):
    """How ports are encrypted."""

    DISABLED = "DISABLED"
    TLS = "TLS"
    MTLS = "MTLS"


class LogLevel(StrEnum):
    """What is worth a line in the log."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the services listen."""

    host: Annotated[
        str,
        typer.Option("--host", help="Address to listen on; 0.0.0.0 for every one of this machine."),
    ] = "127.0.0.1"
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            help="gRPC port. Default: 50050 orchestrator, 50051 keypoint, 50052 predictor, 50053 "
            "synthesis, 50054 models, 50055 relay; all services: the first of four. 0 takes free "
            "ones.",
        ),
    ] = None
    http_port: Annotated[
        int | None,
        typer.Option(
            "--http-port",
            help="HTTP port of /metrics, /live and /ready. Default: 8050 to 8055, likewise.",
        ),
    ] = None
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="Speak plain text on addresses that other machines reach: for networks that are "
            "private.",
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Ssl:
    """How every port is encrypted, and what this server shows to the services behind it."""

    mode: Annotated[
        SslMode,
        typer.Option(
            "--ssl-mode",
            case_sensitive=False,
            help="TLS encrypts every port; MTLS also asks callers for a certificate that --ssl-ca "
            "signed.",
        ),
    ] = SslMode.DISABLED
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--ssl-certificate", help="PEM file of this server. Files that change count at once."
        ),
    ] = None
    key: Annotated[
        Path | None, typer.Option("--ssl-key", help="PEM file of its key, without a password.")
    ] = None
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ssl-ca",
            help="PEM file of the authority that signs callers' certificates, and those of the "
            "services that an orchestrator calls.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Which bearer tokens (JWT) callers have to bring; without keys none are asked for."""

    keys: Annotated[
        Path | None,
        typer.Option(
            "--token-keys", help="File of the public keys that sign tokens: JWKS, or one in PEM."
        ),
    ] = None
    keys_url: Annotated[
        str | None,
        typer.Option("--token-keys-url", metavar="URL", help="Or where they are, as JWKS."),
    ] = None
    issuer: Annotated[
        str | None, typer.Option("--token-issuer", help="Who has to have made a token (iss).")
    ] = None
    audience: Annotated[
        str, typer.Option("--token-audience", help="For whom it has to be (aud).")
    ] = "motioncast"
    leeway: Annotated[
        float,
        typer.Option("--token-leeway", metavar="SECONDS", help="By which clocks may differ."),
    ] = 30.0


@dataclass(frozen=True, slots=True)
class Services:
    """Where an orchestrator that runs alone finds the others."""

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
            help="File of the token (scope admin) that these services ask the orchestrator for, or "
            "a model server (--triton-url) those whose models it runs.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Models:
    """Which models are served."""

    repository: Annotated[
        Path | None, typer.Option("--models", help="Model repository. Default: the shipped one.")
    ] = None
    default: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Model for calls that name none. Default: face256, if the repository has it.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs the models."""

    name: Annotated[
        str,
        typer.Option(
            "--engine",
            help="inprocess: ONNX Runtime in this process; triton: the real Triton server, "
            "started and watched over here (pip install 'motioncast\\[triton]').",
        ),
    ] = "inprocess"
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            help="Threads of one inference. Default: one per core that this process may use.",
        ),
    ] = None
    max_runs: Annotated[
        int | None,
        typer.Option("--max-runs", help="Inferences at once. Default: as many as cores."),
    ] = None
    provider: Annotated[
        ProviderName | None,
        typer.Option(
            "--provider",
            help="What computes the models in this process. Default: cpu. The others need a GPU "
            "and onnxruntime-gpu.",
        ),
    ] = None
    precision: Annotated[
        PrecisionName, typer.Option("--precision", help="float16: by tensorrt alone.")
    ] = PrecisionName.FLOAT32


@dataclass(frozen=True, slots=True)
class Triton:
    """The model server that runs the models, if none of ours does."""

    url: Annotated[
        str | None,
        typer.Option(
            "--triton-url",
            metavar="HOST:PORT",
            help="Let a server that speaks KServe v2 run the models: Triton, or `motioncast serve "
            "models`. Default: this process runs them.",
        ),
    ] = None
    tls: Annotated[
        bool, typer.Option("--triton-tls", help="Encrypt; implied by the files below.")
    ] = False
    root_certificates: Annotated[
        Path | None,
        typer.Option(
            "--triton-root-certificates", help="PEM file to check it with. Default: gRPC's own."
        ),
    ] = None
    client_certificate: Annotated[
        Path | None,
        typer.Option(
            "--triton-client-certificate", help="PEM file to show it, together with the key."
        ),
    ] = None
    client_key: Annotated[
        Path | None, typer.Option("--triton-client-key", help="PEM file of that key.")
    ] = None


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
    """What one service takes on."""

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


@dataclass(frozen=True, slots=True)
class Log:
    """What is logged, and how."""

    level: Annotated[
        LogLevel,
        typer.Option("--log-level", case_sensitive=False, help="What is worth a line in the log."),
    ] = LogLevel.INFO
    json: Annotated[bool, typer.Option("--log-json", help="Log lines as JSON.")] = False


@dataclass(frozen=True, slots=True)
class Traces:
    """Where traces go, and how many of them; the rest is said by OpenTelemetry's variables."""

    endpoint: Annotated[
        str | None,
        typer.Option(
            "--traces-endpoint",
            metavar="URL",
            help="OpenTelemetry collector that traces go to (OTLP over gRPC), such as "
            "http://localhost:4317. Default: that of OTEL_EXPORTER_OTLP_ENDPOINT; without either "
            "nothing is traced.",
        ),
    ] = None
    ratio: Annotated[
        float | None,
        typer.Option(
            "--traces-ratio",
            metavar="SHARE",
            help="Of the sessions, 0 to 1, that are traced. Default: as OTEL_TRACES_SAMPLER says, "
            "else all.",
        ),
    ] = None
    callers: Annotated[
        bool,
        typer.Option(
            "--traces-callers",
            help="Let who calls continue a trace of theirs, and decide whether it is traced here.",
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """All that `motioncast serve` can be told, section by section."""

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
        """Returns the settings of values by their parameters' names, as `parameters` lists them."""
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
