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
    """The model server that runs the models, if they do not run here."""

    url: Annotated[
        str | None,
        typer.Option(
            "--triton-url",
            metavar="HOST:PORT",
            help="Let a server that speaks KServe v2 run the models: Triton, or `motioncast serve "
            "models`; several with commas between, or dns:///NAME:PORT. Default: this process runs "
            "them.",
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
