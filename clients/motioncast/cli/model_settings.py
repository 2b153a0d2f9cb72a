"""Settings of `motioncast serve` for the models that run, and the hardware they run on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ProviderName(StrEnum):
    """The hardware that runs the models in this process."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


class PrecisionName(StrEnum):
    """The numerical precision of the models."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


@dataclass(frozen=True, slots=True)
class Models:
    """Which models are served."""

    repository: Annotated[
        Path | None,
        typer.Option(
            "--models", help="Folder of the model repository. Default: the shipped models."
        ),
    ] = None
    default: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Model for requests that name none. Default: face256, if the repository "
            "contains it.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs the models."""

    name: Annotated[
        str,
        typer.Option(
            "--engine",
            help="What runs the models. inprocess: ONNX Runtime in this process; triton: a "
            "Triton server started and supervised by this command (pip install "
            "'motioncast\\[triton]'); remote: the server at --triton-url.",
        ),
    ] = "inprocess"
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            help="Threads per inference. Default: one per core available to this process.",
        ),
    ] = None
    max_runs: Annotated[
        int | None,
        typer.Option("--max-runs", help="Concurrent inferences. Default: one per core."),
    ] = None
    provider: Annotated[
        ProviderName | None,
        typer.Option(
            "--provider",
            help="Execution provider for models in this process. Default: cpu. The others "
            "require a GPU and onnxruntime-gpu.",
        ),
    ] = None
    precision: Annotated[
        PrecisionName,
        typer.Option(
            "--precision", help="Precision of inference; float16 requires --provider tensorrt."
        ),
    ] = PrecisionName.FLOAT32


@dataclass(frozen=True, slots=True)
class Triton:
    """The model server that runs the models, if they do not run here."""

    url: Annotated[
        str | None,
        typer.Option(
            "--triton-url",
            metavar="HOST:PORT",
            help="Run the models on a KServe v2 server: Triton or `motioncast serve models`. "
            "Several addresses separated by commas, or dns:///NAME:PORT. Default: run them "
            "in this process.",
        ),
    ] = None
    tls: Annotated[
        bool,
        typer.Option(
            "--triton-tls",
            help="Connect to that server over TLS; implied by the certificate options.",
        ),
    ] = False
    root_certificates: Annotated[
        Path | None,
        typer.Option(
            "--triton-root-certificates",
            help="PEM file of the authorities to verify that server with. Default: gRPC's own.",
        ),
    ] = None
    client_certificate: Annotated[
        Path | None,
        typer.Option(
            "--triton-client-certificate",
            help="PEM file of the client certificate for that server; requires its key.",
        ),
    ] = None
    client_key: Annotated[
        Path | None,
        typer.Option("--triton-client-key", help="PEM file of the client certificate's key."),
    ] = None
