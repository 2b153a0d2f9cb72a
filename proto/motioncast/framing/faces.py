"""From what the face finder says of a small picture to faces in the full one.

    picture -> letterboxed to the finder's size -> boxes and scores -> one box for each face
            -> back in the picture

The model `face_finder` takes a batch of such squares, (B, 192, 192, 3) uint8, and gives candidates
for each, (B, 64, 9), surest first: score, centre x and y, width and height, then the eyes, in units
of the square. Its boxes lie about a face's features; Face is the box of the 478 points of the face
mesh, which is what the framing rule speaks of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from motioncast.framing.crop import Crop
from motioncast.framing.pixels import Picture

FINDER: Final = "face_finder"  # the model's name in every repository
FINDER_SIZE: Final = 192  # pixels a side of what it takes
MIN_SCORE: Final = 0.6  # of a candidate that counts
MAX_OVERLAP: Final = 0.3  # of two candidates that are of two faces
FACE_HEIGHT: Final = 0.60  # of the crop's side, at most
FACE_WIDTH: Final = 0.48  # likewise; whichever gives the larger crop
FACE_CENTRE: Final = (0.5, 0.555)  # where its middle is in the crop

# From the finder's box to that of the mesh: its centre in widths and heights of the box, its size.
_MESH_SHIFT: Final = (0.0, 0.0)
_MESH_SIZE: Final = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Face:
    """The box of a face in a picture, in pixels, and how sure the finder is of it (0 to 1)."""

    left: float
    top: float
    right: float
    bottom: float
    score: float

    @property
    def centre(self) -> tuple[float, float]:
        """x and y of its middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        """Pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """Square pixels."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def distance(self, other: Face) -> float:
        """Returns how far apart the middles of two boxes are, in pixels."""
        return math.dist(self.centre, other.centre)

    def overlap(self, other: Face) -> float:
        """Returns the intersection over the union of two boxes, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(0.0, width) * max(0.0, height)
        union = self.area + other.area - shared
        return shared / union if union else 0.0

    def crop(self) -> Crop:
        """Returns the crop that shows the face as the networks expect it: the framing rule."""
        side = max(self.height / FACE_HEIGHT, (self.right - self.left) / FACE_WIDTH)
        x, y = self.centre
        return Crop(x - FACE_CENTRE[0] * side, y - FACE_CENTRE[1] * side, side)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies in the finder's square.

    Attributes:
        scale: Pixels of the square for one of the picture.
        left, top: Of the picture in the square, in pixels of the square.
    """

    scale: float
    left: int
    top: int

    def back(self, face: Face) -> Face:
        """Returns a face found in the square where it is in the picture."""
        return Face(
            (face.left - self.left) / self.scale,
            (face.top - self.top) / self.scale,
            (face.right - self.left) / self.scale,
            (face.bottom - self.top) / self.scale,
            face.score,
        )


def letterboxed(picture: Picture, size: int = FINDER_SIZE) -> tuple[Picture, Letterbox]:
    """Returns a picture scaled into the middle of a black square (size, size, 3), and where."""
    height, width, _ = picture.shape
    scale = size / max(height, width)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
    square = np.zeros((size, size, 3), np.uint8)
    image = PIL.Image.fromarray(picture)
    scaled = image.resize(inner, PIL.Image.Resampling.BILINEAR)
    square[top : top + inner[1], left : left + inner[0]] = np.asarray(scaled)
    return square, Letterbox(scale, left, top)


def found(candidates: NDArray[np.float32]) -> list[Face]:
    """Returns the faces among the finder's candidates (64, 9), in pixels of its square.

    The values are numbers of 32 bits, so that they travel without loss.
    """
    sure = candidates[np.isfinite(candidates).all(axis=1) & (candidates[:, 0] >= MIN_SCORE)]
    boxes = sure[:, :5].astype(np.float64)
    x = boxes[:, 1] + _MESH_SHIFT[0] * boxes[:, 3]
    y = boxes[:, 2] + _MESH_SHIFT[1] * boxes[:, 4]
    half_width, half_height = boxes[:, 3] * _MESH_SIZE[0] / 2, boxes[:, 4] * _MESH_SIZE[1] / 2
    edges = np.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=1)
    edges = (edges * FINDER_SIZE).astype(np.float32)
    faces = [Face(*values) for values in np.column_stack([edges, sure[:, 0]]).tolist()]
    return without_doubles([face for face in faces if face.area > 0])


def without_doubles(faces: Sequence[Face], overlap: float = MAX_OVERLAP) -> list[Face]:
    """Returns the surest box of each face, surest first (non-maximum suppression).

    Args:
        faces: Boxes, several of a face among them.
        overlap: Boxes that share more than this (intersection over union) are of one face.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda one: -one.score):
        if all(face.overlap(other) <= overlap for other in kept):
            kept.append(face)
    return kept
