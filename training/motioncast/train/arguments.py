"""The command line options that both stages of training share."""

import argparse
from pathlib import Path
from typing import get_args

from motioncast.train.configuration import configuration_names
from motioncast.train.settings import Precision

DEFAULT_CONFIGURATION = "lite128"


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --config, --out, --device and --precision."""
    parser.add_argument(
        "--config",
        default=DEFAULT_CONFIGURATION,
        metavar="NAME|FILE.toml",
        help=f"{', '.join(configuration_names())}, or a file like those"
        f" (default: {DEFAULT_CONFIGURATION})",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="checkpoints, log.jsonl and tensorboard; resumed"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--precision", choices=get_args(Precision), help="default: the configuration's, or auto"
    )
