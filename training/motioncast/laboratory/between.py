"""Interpolates the weights of two checkpoints, one of which was trained further from the other.

    python -m motioncast.laboratory.between --first A.pt --second B.pt --share .65 --out C.pt

    weights = (1 - share) first + share second

When one checkpoint was trained further from the other, networks in between are often better on
people that neither has seen (Wortsman et al. 2022, "Model soups"); choose the share on validation
clips. Parts that the first lacks are the second's. Face networks may be of two image sizes; the
result has the second's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer

from motioncast.data.command_line import Program, refusing
from motioncast.models.checkpoint import (
    CheckpointError,
    absent_weights,
    load_motion_transfer,
    resized,
    save_motion_transfer,
)
from motioncast.models.motion_transfer import MotionTransfer


def between(
    first: MotionTransfer,
    second: MotionTransfer,
    share: float,
    only_second: Collection[str] = (),
) -> MotionTransfer:
    """Returns networks with a share of 0 to 1 of the second's weights; modifies the first in place.

    Weights named in `only_second` are the second's; integer values, such as batch counts, the
    first's. Raises CheckpointError for networks of different configurations.
    """
    names = first.configuration.name, second.configuration.name
    if names[0] != names[1]:
        raise CheckpointError(
            f"the checkpoints are of {names[0]} and {names[1]} (expected the same configuration)"
        )
    others = second.state_dict()
    with torch.no_grad():
        for name, value in first.state_dict().items():
            if value.is_floating_point():
                value.lerp_(others[name], 1.0 if name in only_second else share)
    return first


@dataclass(frozen=True, kw_only=True)
class BetweenOptions:
    """Two checkpoints, and the position between them."""

    first: Annotated[Path, typer.Option(metavar="FILE", help="stage 1 checkpoint (synthesis)")]
    second: Annotated[
        Path, typer.Option(metavar="FILE", help="checkpoint of the same configuration")
    ]
    share: Annotated[float, typer.Option(min=0, max=1, help="weight of the second checkpoint")] = (
        0.5
    )
    out: Annotated[Path, typer.Option(metavar="FILE", help="checkpoint file to write")]


def run(options: BetweenOptions, command: str) -> None:
    """Writes the interpolated weights; raises Refusal for a file that is not a checkpoint."""
    with refusing(CheckpointError, OSError):
        first, second = (load_motion_transfer(path) for path in (options.first, options.second))
        if first.configuration.architecture == second.configuration.architecture == "face":
            first = resized(first, second.configuration)
        new = absent_weights(options.first)
        save_motion_transfer(between(first, second, options.share, new), options.out)


main = Program("motioncast.laboratory.between", BetweenOptions, run, __doc__)

if __name__ == "__main__":
    main()
