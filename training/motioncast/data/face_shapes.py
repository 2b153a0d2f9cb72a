"""Other faces out of the same people: a smooth change of shape that moves with the head.

A few dozen people are few. Longer noses, closer eyes and rounder cheeks come from a displacement
that is drawn in the coordinates of the first frame's face and carried to the second one by the
affine map between the two, so that both frames show the same, new person:

    a pixel q of the changed frame shows what lay at A^-1(A q + D(A q))

with D a sum of a few Gaussians and A the map from the frame's face to the first frame's.
Coordinates are those of keypoints, [-1, 1] from corner to corner.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from motioncast.models.face.geometry import fit_affine, rigidity
from motioncast.models.geometry import identity_grid

Points = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

BUMPS = 5  # Gaussians of a displacement
SPREADS = (0.2, 0.6)  # of one, over the face's size
LARGEST = 0.09  # displacement in the middle of one, over the face's size
SMALLEST = 0.05  # size of a face; smaller, it is none
ITERATIONS = 12  # of where a keypoint goes; each leaves a third of the error at most
RIGIDITY = rigidity()


@dataclass(frozen=True, slots=True)
class Shape:
    """A displacement D of places of the first frame's face."""

    centres: Tensor  # (G, 2)
    spreads: Tensor  # (G,)
    shifts: Tensor  # (G, 2)

    def displaced(self, places: Tensor) -> Tensor:
        """Returns u + D(u) of places u (P, 2)."""
        apart = (places.unsqueeze(1) - self.centres).square().sum(-1)  # (P, G)
        return places + torch.exp(-0.5 * apart / self.spreads.square()) @ self.shifts


def draw_shape(random: np.random.Generator, points: Points) -> Shape:
    """Draws how a face with these anchored keypoints (70, 2) changes."""
    low, high = points.min(0), points.max(0)
    size = max(float((high - low).mean()), SMALLEST)
    middle, half = (low + high) / 2, (high - low) / 2
    centres = middle + half * random.uniform(-1.1, 1.1, (BUMPS, 2))
    spreads = size * random.uniform(*SPREADS, BUMPS)
    # A fifth of its spread at most: bumps that lie on one another do not fold the picture.
    largest = np.minimum(size * LARGEST, spreads / 5)[:, None]
    shifts = largest * random.uniform(-1, 1, (BUMPS, 2))
    return Shape(*(torch.from_numpy(part).float() for part in (centres, spreads, shifts)))


class ShapedFrame:
    """How a shape changes one frame: its points (70, 2), and those of the first frame."""

    def __init__(self, shape: Shape, first: Points, points: Points) -> None:
        self.shape = shape
        there, here = (torch.from_numpy(part[None]).float() for part in (first, points))
        affine = fit_affine(there, here, RIGIDITY)
        self._matrix = affine.matrix[0]
        self._offset = (affine.target - affine.centre @ affine.matrix.transpose(1, 2))[0]
        self._inverse = torch.linalg.inv(self._matrix)

    def seen(self, places: Tensor) -> Tensor:
        """Returns what place of the frame the changed one shows at places (P, 2)."""
        changed = self.shape.displaced(places @ self._matrix.T + self._offset)
        shown: Tensor = (changed - self._offset) @ self._inverse.T
        return shown

    def image(self, image: Frame) -> Frame:
        """Returns the changed frame (S, S, 3), or matte (S, S)."""
        side = image.shape[0]
        grid = identity_grid(side, side).flatten(1).t()  # (S * S, 2)
        sampled = functional.grid_sample(
            torch.from_numpy(np.array(image)).view(side, side, -1).permute(2, 0, 1)[None].float(),
            self.seen(grid).view(1, side, side, 2),
            mode="bicubic",
            padding_mode="border",
            align_corners=True,
        )
        levels = sampled[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
        return levels.reshape(image.shape).numpy()

    def points(self, points: Points) -> Points:
        """Returns where keypoints (A, 2) of the frame lie in the changed one."""
        wanted = torch.from_numpy(points).float()
        found = wanted
        for _ in range(ITERATIONS):
            found = found + wanted - self.seen(found)
        moved: Points = found.numpy()
        return moved
