"""Converts the face finder's output for a small picture to faces in the full one.

    picture -> letterboxed to the finder's size -> a look, at half the size if the first finds none
            -> boxes and scores -> one box per face -> coordinates of the picture

The model `face_finder` takes a batch of such squares, (B, 192, 192, 3) uint8, and returns
candidates for each, (B, 64, 9), most certain first: score, centre x and y, width and height, then
the eyes, in units of the square. Its boxes surround a face's features; Face is the box of the 478
points of the face mesh, to which the framing rule applies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from motioncast.framing.crop import Crop
from motioncast.framing.pixels import Picture

FINDER: Final = "face_finder"  # the model's name in every repository
FINDER_SIZE: Final = 192  # side of its input, in pixels
MIN_SCORE: Final = 0.5  # below which candidates are ignored
MAX_OVERLAP: Final = 0.3  # above which two candidates are the same face
FACE_HEIGHT: Final = 0.60  # of the crop's side, at most
FACE_WIDTH: Final = 0.48  # of the crop's side, at most; whichever gives the larger crop
FACE_CENTRE: Final = (0.5, 0.555)  # where the face's middle is in the crop

# From the finder's box and eyes to the mesh's box, fitted on 201 pictures of people: the crop's
# side, given by the width, is accurate to 4.5 %, the middle to 1 % of it (standard deviations).
SIDE_OF_BOX: Final = 0.52
SIDE_OF_EYES: Final = 3.26  # of the distance between the eyes, which shrinks as a head turns:
SIDE_LIMITS: Final = (1.70, 1.98)  # in sides of the box
HEIGHT_OF_BOX: Final = 1.021
X_OF_BOX: Final = -0.005
Y_OF_EYES: Final = 0.484  # of the eyes' height above the box's middle
Y_OF_BOX: Final = 0.087


@dataclass(frozen=True, slots=True)
class Face:
    """The box of a face in a picture, in pixels, and the finder's confidence (0 to 1)."""

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
        """Height in pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def distance(self, other: Face) -> float:
        """Returns the distance between the middles of two boxes, in pixels."""
        return math.dist(self.centre, other.centre)

    def crop(self) -> Crop:
        """Returns the crop that shows the face as the networks expect it: the framing rule."""
        side = max(self.height / FACE_HEIGHT, (self.right - self.left) / FACE_WIDTH)
        x, y = self.centre
        return Crop(x - FACE_CENTRE[0] * side, y - FACE_CENTRE[1] * side, side)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The position of a picture in the finder's square.

    Attributes:
        scale: Pixels of the square per pixel of the picture.
        left, top: Position of the picture, in pixels of the square.
    """

    scale: float
    left: int
    top: int

    def back(self, face: Face) -> Face:
        """Returns a face found in the square, in coordinates of the picture."""
        return Face(
            (face.left - self.left) / self.scale,
            (face.top - self.top) / self.scale,
            (face.right - self.left) / self.scale,
            (face.bottom - self.top) / self.scale,
            face.score,
        )


def letterboxed(picture: Picture, size: int = FINDER_SIZE) -> tuple[Picture, Letterbox]:
    """Returns a picture scaled into the middle of a black square (size, size, 3), and its place."""
    height, width, _ = picture.shape
    scale = size / max(height, width)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
    square = np.zeros((size, size, 3), np.uint8)
    image = PIL.Image.fromarray(picture)
    scaled = image.resize(inner, PIL.Image.Resampling.BILINEAR)
    square[top : top + inner[1], left : left + inner[0]] = np.asarray(scaled)
    return square, Letterbox(scale, left, top)


def looks(square: Picture) -> list[tuple[Picture, Letterbox]]:
    """Returns the finder's inputs for a letterboxed picture, to be tried in turn until it finds a
    face: the whole square, then the same at half its size, for a face that fills a picture."""
    half = FINDER_SIZE // 2
    margin = half // 2
    smaller = np.zeros_like(square)
    image = PIL.Image.fromarray(square).resize((half, half), PIL.Image.Resampling.BILINEAR)
    smaller[margin : margin + half, margin : margin + half] = np.asarray(image)
    return [(square, Letterbox(1.0, 0, 0)), (smaller, Letterbox(0.5, margin, margin))]


def seen(candidates: NDArray[np.float32], look: Letterbox) -> list[Face]:
    """Returns the faces that the finder found in a look, in pixels of the letterboxed picture.

    The values are 32-bit floats, so they can be transmitted exactly.
    """
    faces = [look.back(face) for face in found(candidates)]
    rows = [(one.left, one.top, one.right, one.bottom, one.score) for one in faces]
    return [Face(*row) for row in np.array(rows, np.float32).tolist()]


def found(candidates: NDArray[np.float32]) -> list[Face]:
    """Returns the faces among the finder's candidates (N, 9), in pixels of its square.

    The most certain comes first.
    """
    sure = candidates[np.isfinite(candidates).all(axis=1) & (candidates[:, 0] >= MIN_SCORE)]
    score, x, y, width, height, *eyes = without_doubles(sure.astype(np.float64)).T
    box = (width + height) / 2
    apart = np.hypot(eyes[2] - eyes[0], eyes[3] - eyes[1])
    low, high = SIDE_LIMITS
    side = np.clip(SIDE_OF_BOX * box + SIDE_OF_EYES * apart, low * box, high * box)
    x = x + X_OF_BOX * box
    y = y + Y_OF_EYES * ((eyes[1] + eyes[3]) / 2 - y) + Y_OF_BOX * box
    across, up = FACE_WIDTH * side / 2, HEIGHT_OF_BOX * box / 2
    edges = FINDER_SIZE * np.stack([x - across, y - up, x + across, y + up], axis=1)
    values = np.column_stack([edges, score])
    return [face for face in (Face(*one) for one in values.tolist()) if face.area > 0]


def without_doubles(
    candidates: NDArray[np.float64], overlap: float = MAX_OVERLAP
) -> NDArray[np.float64]:
    """Returns one candidate per face, most certain first: non-maximum suppression, averaged.

    Candidates that overlap by more than `overlap` with the most certain one (intersection over
    union of their boxes) belong to its face; their mean, weighted by score, is steadier than it.

    Args:
        candidates: (N, 9), in any order.
        overlap: 0 to 1.
    """
    rest = candidates[np.argsort(-candidates[:, 0], kind="stable")]
    kept = []
    while len(rest):
        same = _overlaps(rest[0], rest) > overlap
        same[0] = True
        merged = np.average(rest[same], axis=0, weights=rest[same, 0])
        merged[0] = rest[0, 0]
        kept.append(merged)
        rest = rest[~same]
    return np.stack(kept) if kept else candidates[:0]


def _overlaps(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the intersection over union of a candidate's box (9,) and others (N, 9)."""
    low = np.maximum(one[1:3] - one[3:5] / 2, others[:, 1:3] - others[:, 3:5] / 2)
    high = np.minimum(one[1:3] + one[3:5] / 2, others[:, 1:3] + others[:, 3:5] / 2)
    shared = np.maximum(high - low, 0).prod(axis=1)
    union = one[3] * one[4] + others[:, 3] * others[:, 4] - shared
    overlaps: NDArray[np.float64] = shared / np.maximum(union, np.finfo(np.float64).tiny)
    return overlaps
