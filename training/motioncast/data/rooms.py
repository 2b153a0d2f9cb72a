"""Moves people to another room: cuts them out from a plain wall and changes the background.

    composite = frame + (1 - alpha) * (room - wall)

The wall is a quadratic of the position, fitted to the border of the frame. alpha says how far a
pixel is from the wall's colour, and is 1 for everything that cannot be reached from the border.
Differences from the wall, like camera noise and half-covered pixels, are kept. A frame without a
plain wall has no matte and is left unchanged.

Shapes: F frames of one sample, S the side.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

LIKE_THE_WALL, UNLIKE_THE_WALL = 0.06, 0.16  # distances of colours in [0, 1]
WALL_FIT_ROUNDS = 3
LEAST_WALL = 0.5  # share of the border that must match the wall
LEAST_PERSON, MOST_PERSON = 0.15, 0.85  # share of the frame
CELLS = 32  # per side of the map on which the wall is followed from the border
TILES = 6  # maximum per side of a synthetic wall


class Matte(NamedTuple):
    """A plain wall, and how much of each pixel is in front of it."""

    wall: Tensor  # (1, 3, S, S)
    alpha: Tensor  # (F, 1, S, S) in [0, 1]


def cut_out(frames: Tensor) -> Matte | None:
    """Returns the matte of frames (F, 3, S, S) in [0, 1] of one clip, None without a plain wall."""
    wall = _plain_wall(frames)
    if wall is None:
        return None
    distance = (frames - wall).square().sum(dim=1, keepdim=True).sqrt()
    alpha = ((distance - LIKE_THE_WALL) / (UNLIKE_THE_WALL - LIKE_THE_WALL)).clamp(0, 1)
    alpha = torch.maximum(alpha, _out_of_reach(alpha))
    if not LEAST_PERSON < float(alpha.mean()) < MOST_PERSON:
        return None
    return Matte(wall.unsqueeze(0), alpha)


def made_up_wall(random: np.random.Generator, side: int) -> Tensor:
    """Returns a wall (3, S, S) in [0, 1] of rectangles, from a gradient to shelves and windows."""
    mode = "nearest" if random.random() < 0.6 else "bilinear"
    saturation, detail = random.uniform(0, 0.6), random.uniform(0, 0.4)
    coarse = _tiles(side, random.integers(1, TILES + 1, 2), saturation, mode, random)
    fine = _tiles(side, random.integers(2, side // 4, 2), saturation, mode, random)
    return (coarse + detail * (fine - 0.5)).clamp(0, 1)


def _tiles(
    side: int,
    shape: npt.NDArray[np.int64],
    saturation: float,
    mode: str,
    random: np.random.Generator,
) -> Tensor:
    """Returns rows x columns of random colours, enlarged to (3, S, S)."""
    grey = random.uniform(0, 1, (1, 1, *shape))
    colours = grey + saturation * (random.uniform(0, 1, (1, 3, *shape)) - grey)
    return functional.interpolate(torch.from_numpy(colours).float(), (side, side), mode=mode)[0]


def _plain_wall(frames: Tensor) -> Tensor | None:
    """Fits the wall (3, S, S) to top, left and right border; None if most of them do not match."""
    side = frames.shape[-1]
    terms = _quadratic(side)  # (6, S, S)
    border = torch.zeros(side, side, dtype=torch.bool)
    border[: side // 12] = True
    border[: 5 * side // 8, : side // 16] = border[: 5 * side // 8, -(side // 16) :] = True
    known, colours = terms[:, border].t(), frames.mean(dim=0)[:, border].t()  # (P, 6), (P, 3)
    residual = (colours - colours.median(dim=0).values).square().sum(dim=1).sqrt()
    for _ in range(WALL_FIT_ROUNDS):
        near = residual < torch.clamp(2 * residual.median(), min=LIKE_THE_WALL)
        fit = torch.linalg.lstsq(known[near], colours[near]).solution  # (6, 3)
        residual = (colours - known @ fit).square().sum(dim=1).sqrt()
    if float((residual < LIKE_THE_WALL).float().mean()) < LEAST_WALL:
        return None
    return torch.einsum("pc,pyx->cyx", fit, terms)


def _quadratic(side: int) -> Tensor:
    """Returns 1, x, y, x^2, xy, y^2 (6, S, S) of positions in [-1, 1]."""
    along = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y])


def _out_of_reach(alpha: Tensor) -> Tensor:
    """Returns 1 (F, 1, S, S) deep inside areas unreachable from the border over wall-like cells."""
    size = alpha.shape[-2:]
    passable = functional.interpolate(alpha, (CELLS, CELLS), mode="area") < 0.5
    seen = torch.zeros_like(passable)
    seen[..., 0, :] = seen[..., : CELLS // 2, 0] = seen[..., : CELLS // 2, -1] = True
    seen &= passable
    while True:
        spread = functional.max_pool2d(seen.float(), 3, stride=1, padding=1).bool() & passable
        if torch.equal(spread, seen):
            break
        seen = spread
    reached = functional.max_pool2d(seen.float(), 3, stride=1, padding=1)
    return 1 - functional.interpolate(reached, size)
