"""`motioncast serve`: all services in one process, a single one, or the bare models."""

from __future__ import annotations

import inspect
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from motioncast.cli.model_settings import Triton
from motioncast.cli.serve_settings import SECTIONS, ServeSettings, parameters
from motioncast.cli.settings_sources import SettingsError, from_environment, from_file

_NO_SETTINGS: Final = ("MOTIONCAST_TRITON_SECRET",)  # secrets are only read from the environment


class Name(StrEnum):
    """The services."""

    ORCHESTRATOR = "orchestrator"
    KEYPOINT = "keypoint"
    PREDICTOR = "predictor"
    SYNTHESIS = "synthesis"
    RELAY = "relay"  # keypoint packets from one end to another
    MODELS = "models"  # all models, over KServe v2, for clients of Triton


def serve(service: Name | None, config: Path | None, **given: Any) -> None:
    """Serve until stopped (SIGTERM or Ctrl-C); running calls then get some time to finish."""
    import asyncio
    import signal

    from motioncast.cli.serving import serve_all, serve_one, serve_triton, traces_of
    from motioncast.local.engines import ENGINES
    from motioncast.serving import configure_logging, raise_file_limit
    from motioncast.tracing import tracing

    settings = ServeSettings.of(given)
    if settings.engine.name not in ENGINES:
        raise typer.BadParameter(
            f"{settings.engine.name!r} is unknown (expected one of {', '.join(ENGINES)})",
            param_hint="'--engine'",
        )
    if settings.triton.url is None and settings.triton != Triton():
        raise typer.BadParameter(
            "is required by the other --triton options", param_hint="'--triton-url'"
        )
    configure_logging(as_json=settings.log.json, level=settings.log.level.value)
    raise_file_limit()
    with tracing(traces_of(settings, service)):
        if service is None:
            running = serve_all(settings)
        elif service is Name.MODELS and settings.engine.name == "triton":
            running = serve_triton(settings)
        else:
            running = serve_one(service.value, settings)
        ended = asyncio.run(running)
    if ended is signal.SIGINT:
        raise typer.Exit(130)


def _read_settings(context: typer.Context, file: Path | None) -> Path | None:
    """Replaces the options' defaults with values from the environment and the file."""
    try:
        from_the_file = {} if file is None else from_file(file, SECTIONS)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="'--config'") from error
    try:
        from_variables = from_environment(os.environ, SECTIONS, _NO_SETTINGS)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="the environment") from error
    context.default_map = {**from_the_file, **from_variables}
    return file


_SERVICE: Final = Annotated[
    Name | None,
    typer.Argument(
        help="Service to run alone; models: all models, over KServe v2. Default: the four "
        "services and the relay, in one process."
    ),
]
_CONFIG: Final = Annotated[
    Path | None,
    typer.Option(
        callback=_read_settings,
        is_eager=True,
        envvar="MOTIONCAST_CONFIG",
        metavar="FILE",
        help="TOML file of settings, such as deploy/motioncast.toml. The command line and "
        "variables such as MOTIONCAST_LISTEN_PORT override it.",
    ),
]
_EITHER: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD
# typer reads options from the signature: every setting is one, as declared.
serve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter("service", _EITHER, default=None, annotation=_SERVICE),
        inspect.Parameter("config", _EITHER, default=None, annotation=_CONFIG),
        *parameters(),
    ]
)
serve.__annotations__ = {}
