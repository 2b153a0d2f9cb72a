"""The command line options that say which videos are meant, shared by all programs."""

import argparse
from pathlib import Path
from typing import get_args

from motioncast.data.bair import Camera
from motioncast.data.clip_cache import DEFAULT_CACHE, ClipCache, OnDamage
from motioncast.data.framing import FRAMES, ClipFraming
from motioncast.data.sources import LAYOUTS, DataSource, open_clips


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --data (or --videos), --names, --layout, --camera, --frame, --skip-damaged, --cache."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        "--videos",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="videos, one file per clip (movies, gifs, PNG strips), or BAIR's TFRecords",
    )
    group.add_argument(
        "--names", type=Path, metavar="LIST", help="only these files: one name or stem per line"
    )
    group.add_argument(
        "--layout", choices=LAYOUTS, default="auto", help="default: the content decides"
    )
    group.add_argument(
        "--camera", choices=get_args(Camera), default="main", help="of TFRecords (default: main)"
    )
    group.add_argument(
        "--frame",
        choices=FRAMES,
        default="off",
        help="fixed: cut out the face that a clip's first frame shows, as the product does; "
        "off (the default): the centre square",
    )
    group.add_argument(
        "--skip-damaged", action="store_true", help="leave damaged files out instead of stopping"
    )
    group.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, metavar="FOLDER", help="of decoded clips"
    )


def data_source(options: argparse.Namespace) -> DataSource:
    """Returns what the options of `add_data_arguments` say is meant."""
    framing = ClipFraming.shipped() if options.frame == "fixed" else None
    return DataSource(options.data, options.names, options.layout, options.camera, framing)


def on_damage(options: argparse.Namespace) -> OnDamage:
    """Returns what the options of `add_data_arguments` say to do with a damaged file."""
    return "skip" if options.skip_damaged else "refuse"


def open_data(options: argparse.Namespace, size: int) -> ClipCache:
    """Opens the clips that the options mean, and prints the damaged files that were left out."""
    clips = open_clips(data_source(options), size, options.cache, on_damage(options))
    for name in clips.skipped:
        print(f"left out, damaged: {name}")
    return clips


def count_of(text: str) -> int:
    """Reads a number from 1 on; argparse's error for anything else."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)
