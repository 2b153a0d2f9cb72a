"""The options of `motioncast train personal`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import torch
import typer

from motioncast.data.clip_cache import DEFAULT_CACHE
from motioncast.data.framing import Frame
from motioncast.models.shipped import CONFIGURATION
from motioncast.train.personal_predictor import SCHEDULE
from motioncast.train.personal_synthesis import SETTINGS

Shipped = Literal["face256", "lite128"]
SHIPPED: Final = get_args(Shipped)


@dataclass(frozen=True, kw_only=True)
class PersonalOptions:
    """Which videos, for how long, from which networks, and where the models go."""

    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO", help="videos of one scene")]
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="folder for checkpoints and logs; an earlier training there is resumed",
        ),
    ]
    name: Annotated[
        str | None, typer.Option(help="name of the models (default: that of the --out folder)")
    ] = None
    repository: Annotated[
        Path | None, typer.Option(help="model repository to write to (default: your personal one)")
    ] = None
    replace: Annotated[
        bool, typer.Option("--replace", help="replace existing models of the same name")
    ] = False
    use_until: Annotated[
        float,
        typer.Option(metavar="SHARE", help="use only this share of each video, from its start"),
    ] = 1.0
    held_out: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="share of the used frames to hold out, at the end of each video"
        ),
    ] = 0.1
    frame: Annotated[
        Frame | None,
        typer.Option(
            help="fixed (the default of face configurations): crop each video to the"
            " face in its first frame, in training and when the models are used;"
            " off: crop to the centre square"
        ),
    ] = None
    config: Annotated[
        Shipped, typer.Option(help="configuration of the shipped networks to start from")
    ] = CONFIGURATION
    steps: Annotated[
        int | None,
        typer.Option(
            help=f"maximum number of steps of each stage (default: {SETTINGS.steps} of"
            f" the synthesis and {SCHEDULE.steps} of the predictor)"
        ),
    ] = None
    minutes: Annotated[
        float | None, typer.Option(help="training time of the synthesis, instead of steps")
    ] = None
    seed: int | None = None
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CHECKPOINT",
            help="checkpoint of detector and synthesis to start from (default: the shipped one)",
        ),
    ] = None
    predictor: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="checkpoint of the vrnn to start from (default: the shipped one)",
        ),
    ] = None
    cache: Annotated[Path, typer.Option(help="cache folder for decoded clips")] = DEFAULT_CACHE
    threads: Annotated[int, typer.Option(min=1)] = torch.get_num_threads()
