"""The command line options that select videos, shared by all programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from motioncast.data.bair import Camera
from motioncast.data.clip_cache import DEFAULT_CACHE, ClipCache, OnDamage
from motioncast.data.framing import ClipFraming, Frame
from motioncast.data.sources import DataSource, Layout, open_clips


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which videos to use, and how to read them."""

    data: Annotated[
        Path,
        typer.Option(
            "--data",
            "--videos",
            metavar="FOLDER",
            help="folder of videos, one file per clip (movies, GIFs, PNG strips), or of"
            " BAIR's TFRecords",
        ),
    ]
    names: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST", help="text file that lists the files to use, one name or stem per line"
        ),
    ] = None
    layout: Annotated[Layout, typer.Option(help="type of files in the folder; auto: detect it")] = (
        "auto"
    )
    camera: Annotated[Camera, typer.Option(help="camera to read from TFRecords")] = "main"
    frame: Annotated[
        Frame,
        typer.Option(
            help="fixed: crop each clip to the face in its first frame, as the product"
            " does; off: crop to the centre square"
        ),
    ] = "off"
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="skip damaged files instead of stopping")
    ] = False
    cache: Annotated[
        Path, typer.Option(metavar="FOLDER", help="cache folder for decoded clips")
    ] = DEFAULT_CACHE


def data_source(options: DataOptions) -> DataSource:
    """Returns the data source selected by the options."""
    framing = ClipFraming.shipped() if options.frame == "fixed" else None
    return DataSource(options.data, options.names, options.layout, options.camera, framing)


def on_damage(options: DataOptions) -> OnDamage:
    """Returns the handling of damaged files selected by the options."""
    return "skip" if options.skip_damaged else "refuse"


def open_data(options: DataOptions, size: int) -> ClipCache:
    """Opens the selected clips, and prints the damaged files that were left out."""
    clips = open_clips(data_source(options), size, options.cache, on_damage(options))
    for name in clips.skipped:
        print(f"skipped, damaged: {name}")
    return clips
