"""Computes the anchored keypoints' depths (`models.face.keypoints.DEPTHS`) from turning heads.

    python -m motioncast.laboratory.depths --set sets/people --set sets/grid --without SteveDaines

    left(frame) = s - A d - b,   left ~ v(frame) depth',   depth' the first singular vector

for frames of each clip against two of its own, with points weighted as in the affine fit; then the
least-squares depth of every point, including those without weight, averaged over both halves of a
face.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from torch import Tensor

from motioncast.data.command_line import Program, refusing
from motioncast.data.faces import FaceSet, FaceSetError
from motioncast.models.face.geometry import fit_affine, rigidity
from motioncast.models.face.keypoints import GROUPS, mirror_order

FRAMES = 12  # per clip, evenly spaced


class Mode(NamedTuple):
    """The depths (A,), and the share of the affine maps' residuals that they explain."""

    depths: Tensor
    share: float


def first_mode(left: Tensor, weights: Tensor) -> Mode:
    """Returns the first mode of the affine maps' residuals (N, A, 2), under weights (A,)."""
    rows = left.transpose(1, 2).flatten(0, 1).double()  # (2 N, A)
    _, strength, directions = torch.linalg.svd(rows * weights.double().sqrt(), full_matrices=False)
    moved = rows * weights.double().sqrt() @ directions[0]  # (2 N,) how far each frame turned
    depths = moved @ rows / moved.square().sum()
    return Mode(depths, float(strength[0] ** 2 / strength.square().sum()))


def left_over(points: Tensor) -> Tensor:
    """Returns the residuals of affine maps (M, A, 2) between frames (N, A, 2) of one clip."""
    driving = points[np.linspace(0, len(points) - 1, FRAMES).astype(int)]
    weights = rigidity()
    source = [driving[i : i + 1].expand_as(driving) for i in (0, FRAMES // 2)]
    return torch.cat([one - fit_affine(one, driving, weights)(driving) for one in source])


@dataclass(frozen=True, kw_only=True)
class DepthsOptions:
    """The face sets to use, and who is left out."""

    sets: Annotated[
        list[Path], typer.Option("--set", metavar="FOLDER", help="face set to use; may be repeated")
    ]
    without: Annotated[
        list[str], typer.Option(metavar="PERSON", help="person to exclude; may be repeated")
    ] = field(default_factory=list)


def run(options: DepthsOptions, command: str) -> None:
    """Prints the depths, one line per group of keypoints; raises Refusal for invalid folders."""
    with refusing(FaceSetError, OSError):
        sets = [FaceSet(folder, 1.0, frozenset(options.without)) for folder in options.sets]
    left = [
        left_over(torch.from_numpy(one.points[clip.start : clip.stop]))
        for one in sets
        for person in one.persons
        for clip in person
        if clip.stop - clip.start >= FRAMES
    ]
    mode = first_mode(torch.cat(left), rigidity().flatten())
    depths = (mode.depths + mode.depths[mirror_order()]) / 2
    for group in GROUPS:
        own = depths[group.first : group.first + group.size].tolist()
        print(", ".join(f"{depth:.2f}" for depth in own), f" # {group.name}")
    print(f"{mode.share:.2f} of the residual of the affine maps, {len(left)} clips")


main = Program("motioncast.laboratory.depths", DepthsOptions, run, __doc__)

if __name__ == "__main__":
    main()
