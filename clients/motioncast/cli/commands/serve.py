"""`motioncast serve`: all services in one process, one of them by name, or the bare models."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from motioncast.cli.commands.engines import EngineName


class Name(StrEnum):
    """The services."""

    ORCHESTRATOR = "orchestrator"
    KEYPOINT = "keypoint"
    PREDICTOR = "predictor"
    SYNTHESIS = "synthesis"
    MODELS = "models"  # all of them, over KServe v2, for clients of Triton


class ProviderName(StrEnum):
    """What can compute the models in this process."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


class Precision(StrEnum):
    """In which numbers."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class PipelineName(StrEnum):
    """How the orchestrator has groups processed."""

    SERVICES = "services"
    ENSEMBLE = "ensemble"


def serve(
    service: Annotated[
        Name | None,
        typer.Argument(
            help="Serve this one alone; models: all of them, over KServe v2. Default: the four "
            "services, in this process."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            help="gRPC port. Default: 50050 orchestrator, 50051 keypoint, 50052 predictor, 50053 "
            "synthesis, 50054 models; all services: the first of four. 0 takes free ones."
        ),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(
            help="HTTP port of /metrics, /live and /ready. Default: 8050 to 8054, likewise."
        ),
    ] = None,
    keypoint: Annotated[
        str, typer.Option(help="orchestrator: HOST:PORT of the keypoint service.")
    ] = "localhost:50051",
    predictor: Annotated[
        str, typer.Option(help="orchestrator: HOST:PORT of the predictor service.")
    ] = "localhost:50052",
    synthesis: Annotated[
        str, typer.Option(help="orchestrator: HOST:PORT of the synthesis service.")
    ] = "localhost:50053",
    models: Annotated[
        Path | None, typer.Option(help="Model repository. Default: the shipped one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model for calls that name none. Default: the first.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Threads of one inference. Default: one per core that is ours."),
    ] = None,
    max_runs: Annotated[
        int | None, typer.Option(help="Inferences at once. Default: likewise.")
    ] = None,
    provider: Annotated[
        ProviderName | None,
        typer.Option(
            help="What computes the models in this process. Default: cpu. The others need a GPU "
            "and onnxruntime-gpu."
        ),
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="float16: by tensorrt alone.")
    ] = Precision.FLOAT32,
    engine: Annotated[
        EngineName,
        typer.Option(
            help="inprocess: ONNX Runtime in this process; triton: the real Triton server, "
            "started and watched over here (pip install 'motioncast\\[triton]')."
        ),
    ] = EngineName.INPROCESS,
    triton_url: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Let a server that speaks KServe v2 run the models: Triton, or `motioncast serve "
            "models`. Default: this process runs them.",
        ),
    ] = None,
    triton_tls: Annotated[
        bool, typer.Option("--triton-tls", help="Encrypt; implied by the files below.")
    ] = False,
    triton_root_certificates: Annotated[
        Path | None, typer.Option(help="PEM file to check it with. Default: gRPC's own.")
    ] = None,
    triton_client_certificate: Annotated[
        Path | None, typer.Option(help="PEM file to show it, with the key.")
    ] = None,
    triton_client_key: Annotated[Path | None, typer.Option(help="PEM file of that key.")] = None,
    pipeline: Annotated[
        PipelineName,
        typer.Option(
            help="orchestrator: services: a group is three calls of services; ensemble: one call "
            "of models in a row, where the models are run."
        ),
    ] = PipelineName.SERVICES,
    max_sessions: Annotated[int, typer.Option(help="orchestrator: sessions served at once.")] = 64,
    max_sessions_per_peer: Annotated[
        int | None,
        typer.Option(
            help="orchestrator: sessions of one address at once. Default: a quarter of all; behind "
            "a proxy that is one address for everybody, so name as many as --max-sessions."
        ),
    ] = None,
    silence: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="orchestrator: a session ends whose client says nothing for so long.",
        ),
    ] = 10.0,
    max_message_bytes: Annotated[
        int, typer.Option(help="orchestrator: largest message accepted.")
    ] = 8 * 2**20,
    max_concurrent_calls: Annotated[
        int, typer.Option(help="One service alone: calls at once; others wait.")
    ] = 80,
    max_queued_calls: Annotated[
        int, typer.Option(help="One service alone: calls that may wait; others are refused.")
    ] = 64,
    drain_grace: Annotated[
        float, typer.Option(help="Seconds that running calls have to end when told to stop.")
    ] = 5.0,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
    log_json: Annotated[bool, typer.Option("--log-json", help="Log lines as JSON.")] = False,
) -> None:
    """Serve until told to stop (SIGTERM or Ctrl-C); running calls then have a while to end."""
    import asyncio
    import os
    import signal

    from motioncast.cli.serving import Limits, Listen, Models, serve_all, serve_one, serve_triton
    from motioncast.inference import Provider
    from motioncast.orchestrator import ServiceAddresses
    from motioncast.serving import configure_logging, raise_file_limit

    if log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise typer.BadParameter(f"{log_level!r} is no level", param_hint="'--log-level'")
    configure_logging(as_json=log_json, level=log_level.upper())
    limits = Limits(
        max_sessions,
        max_message_bytes,
        max_concurrent_calls,
        max_queued_calls,
        drain_grace,
        max_sessions_per_peer,
        silence,
    )
    raise_file_limit()
    listen = Listen(host, port, http_port)
    server = None
    if triton_url is not None:
        from motioncast.inference.kserve import KServeSettings

        server = KServeSettings(
            triton_url,
            tls=triton_tls,
            root_certificates=triton_root_certificates,
            client_certificate=triton_client_certificate,
            client_key=triton_client_key,
            secret=os.environ.get("MOTIONCAST_TRITON_SECRET", ""),
        )
    elif triton_tls or triton_root_certificates or triton_client_certificate or triton_client_key:
        raise typer.BadParameter("is missing for the other options", param_hint="'--triton-url'")
    embedded = engine is EngineName.TRITON
    computes = None
    if provider is not None or precision is not Precision.FLOAT32:
        computes = Provider((provider or ProviderName.CPU).value, precision.value)
    served = Models(models, model, threads, max_runs, server, embedded, computes)
    if service is None:
        running = serve_all(listen, served, limits, pipeline.value)
    elif service is Name.MODELS and embedded:
        running = serve_triton(listen, served, limits)
    else:
        addresses = ServiceAddresses(keypoint, predictor, synthesis)
        running = serve_one(service.value, listen, addresses, served, limits, pipeline.value)
    if asyncio.run(running) is signal.SIGINT:
        raise typer.Exit(130)
