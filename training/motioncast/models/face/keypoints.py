"""The keypoints of a face: the face mesh points used, and their groups.

The first 70 are anchored, points of MediaPipe's mesh of 478; the rest are unsupervised, as in the
paper, for hair, shoulders and hands. Left and right refer to the image.
"""

from typing import NamedTuple

OUTER_LIPS = (61, 91, 181, 17, 405, 321, 291, 270, 267, 0, 37, 40)
INNER_LIPS = (78, 88, 87, 14, 317, 318, 308, 310, 312, 13, 82, 80)
UPPER_LIP, LOWER_LIP = (80, 82, 13, 312, 310), (88, 87, 14, 317, 318)  # inner lips, left to right
LEFT_EYE = (33, 163, 145, 154, 133, 158, 159, 161)
RIGHT_EYE = (263, 390, 374, 381, 362, 385, 386, 388)
LEFT_BROW = (70, 63, 105, 107)
RIGHT_BROW = (300, 293, 334, 336)
NOSE = (168, 195, 4, 2, 98, 327)
CHEEKS = (50, 280)
OVAL = (10, 297, 389, 454, 361, 397, 152, 172, 132, 234, 162, 67)
PUPILS = (468, 473)

MESH = (
    *OUTER_LIPS,
    *INNER_LIPS,
    *LEFT_EYE,
    *RIGHT_EYE,
    *LEFT_BROW,
    *RIGHT_BROW,
    *NOSE,
    *CHEEKS,
    *OVAL,
    *PUPILS,
)
ANCHORED = len(MESH)  # 70

# How far in front of the plane of the face they lie, in an arbitrary unit: the first mode of the
# residuals of an affine fit to turning heads, two thirds of them (`laboratory.depths`).
# fmt: off
DEPTHS = (
    0.10, 0.09, 0.09, 0.10, 0.09, 0.09, 0.10, 0.17, 0.24, 0.25, 0.24, 0.17,  # outer lips
    0.10, 0.08, 0.09, 0.10, 0.09, 0.08, 0.10, 0.17, 0.23, 0.24, 0.23, 0.17,  # inner lips
    -0.06, -0.02, 0.01, 0.02, 0.03, -0.03, -0.05, -0.05,  # left eye
    -0.06, -0.02, 0.01, 0.02, 0.03, -0.03, -0.05, -0.05,  # right eye
    -0.07, -0.01, 0.05, 0.14,  # left brow
    -0.07, -0.01, 0.05, 0.14,  # right brow
    0.14, 0.28, 0.38, 0.28, 0.19, 0.19,  # nose
    0.03, 0.03,  # cheeks
    0.02, -0.06, -0.36, -0.43, -0.40, -0.28, 0.07, -0.28, -0.40, -0.43, -0.36, -0.06,  # oval
    -0.04, -0.04,  # pupils
)
# fmt: on

# Pairs that a mirror exchanges; every other point of the mesh above maps to itself.
_MIRRORED = (
    (61, 291),
    (91, 321),
    (181, 405),
    (270, 40),
    (267, 37),
    (78, 308),
    (88, 318),
    (87, 317),
    (310, 80),
    (312, 82),
    *zip(LEFT_EYE, RIGHT_EYE, strict=True),
    *zip(LEFT_BROW, RIGHT_BROW, strict=True),
    (98, 327),
    (50, 280),
    (297, 67),
    (389, 162),
    (454, 234),
    (361, 132),
    (397, 172),
    PUPILS,
)


class Group(NamedTuple):
    """Anchored keypoints drawn as one map, and how rigidly they are attached to the skull."""

    name: str
    first: int
    size: int
    rigidity: float  # 0 to 1: their weight in the head's affine motion


def _groups() -> tuple[Group, ...]:
    parts = (
        ("outer lips", OUTER_LIPS, 0.05),
        ("inner lips", INNER_LIPS, 0.0),
        ("left eye", LEFT_EYE, 0.5),
        ("right eye", RIGHT_EYE, 0.5),
        ("left brow", LEFT_BROW, 0.2),
        ("right brow", RIGHT_BROW, 0.2),
        ("nose", NOSE, 1.0),
        ("cheeks", CHEEKS, 1.0),
        ("oval", OVAL, 0.5),
        ("pupils", PUPILS, 0.0),
    )
    groups, first = [], 0
    for name, points, rigidity in parts:
        groups.append(Group(name, first, len(points), rigidity))
        first += len(points)
    return tuple(groups)


GROUPS = _groups()


def mirror_order() -> list[int]:
    """Returns, for each anchored keypoint, the one that takes its place in a mirrored image."""
    other = {a: b for pair in _MIRRORED for a, b in (pair, pair[::-1])}
    return [MESH.index(other.get(point, point)) for point in MESH]
