"""The command line options shared by both stages of training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from motioncast.train.configuration import configuration_names
from motioncast.train.settings import Precision

DEFAULT_CONFIGURATION: Final = "lite128"


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What is trained, where the results go, and how it is computed."""

    out: Annotated[
        Path,
        typer.Option(
            help="folder for checkpoints, log.jsonl and TensorBoard events; an earlier training"
            " there is resumed"
        ),
    ]
    config: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.toml",
            help=f"{', '.join(configuration_names())}, or a TOML file in the same format"
            f" (default: {DEFAULT_CONFIGURATION})",
        ),
    ] = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Annotated[
        Precision | None,
        typer.Option(help="numerical precision (default: the configuration's, or auto)"),
    ] = None
