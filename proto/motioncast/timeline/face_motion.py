"""Relative motion of a face: the source's head moves and speaks as the driver's does.

Plain differences of keypoints distort a face that is larger or turned differently from the
driver's, and a mouth that was open in the driver's first frame could never close. With anchored
keypoints it is known which point is which, and

    p(t)    = N driving(t)
    face(t) = p(t) + H(t) (source - p(0))
    mouth     opens as far as in p(t): lips move from their middle, outer lips and chin with them
    lids      open as far as in p(t), times the ratio of the source's opening to that of p(0)

N is the similarity that maps the driver's first frame onto the source's face, H(t) the linear part
of the affine map from p(0) to p(t): the differences between the two faces turn with the head.

Unsupervised keypoints move by the driver's displacement, transformed by N's linear part, and
intensities by the plain difference. Shapes: A anchored keypoints, the first ones of K.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motioncast.timeline.ranges import clip_keypoints

Points = NDArray[np.float64]

ANCHORED: Final = 70  # number of keypoints with these positions (models/face/keypoints.py)
INNER_LIPS: Final = ((13, 23), (14, 22), (15, 21), (16, 20), (17, 19))  # lower, upper
OUTER_LIPS: Final = ((1, 11), (2, 10), (3, 9), (4, 8), (5, 7))
LIDS: Final = ((25, 31), (26, 30), (27, 29), (33, 39), (34, 38), (35, 37))
CHIN: Final = {62: 1.0, 61: 0.6, 63: 0.6}  # how far these follow the lower lip
FIRM: Final = (  # first, last and weight of eyes, brows, nose and cheeks, and face outline
    (24, 40, 0.5),
    (40, 48, 0.2),
    (48, 56, 1.0),
    (56, 68, 0.5),
)
SEEN: Final = 0.5  # mean intensity above which the keypoints show a face
LID_RATIO: Final = 2.0  # limit of the ratio of the source's opening to the driver's
RIDGE: Final = 1e-9  # keeps fits defined if all points coincide
SMALLEST: Final = 1e-3  # mean square distance of a face's points from their centre


class _Affine(NamedTuple):
    matrix: Points  # (2, 2)
    offset: Points  # (2,)

    def __call__(self, points: Points) -> Points:
        moved: Points = points @ self.matrix.T + self.offset
        return moved


def shows_face(keypoints: NDArray[np.float32]) -> bool:
    """Returns whether anchored keypoints (K, 3) are those of a face."""
    anchored = keypoints[:ANCHORED]
    spread = float(np.square(anchored[:, :2] - anchored[:, :2].mean(0)).mean())
    return float(anchored[:, 2].mean()) >= SEEN and spread >= SMALLEST


def face_motion(
    source: NDArray[np.float32], driving: NDArray[np.float32], reference: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Returns the source (K, 3), moved as driving (K, 3) has moved since reference (K, 3).

    The first 70 of the K keypoints must be anchored, and all three sets must show a face.
    """
    s, d, r = (one.astype(np.float64) for one in (source, driving, reference))
    onto = _similarity(r[:ANCHORED, :2], s[:ANCHORED, :2])
    before, now = onto(r[:ANCHORED, :2]), onto(d[:ANCHORED, :2])
    head = _affine(before, now)
    face = now + (s[:ANCHORED, :2] - before) @ head.matrix.T
    _open_mouth(face, now)
    _open_lids(face, now, s[:ANCHORED, :2], before)
    moved = s + (d - r)
    moved[ANCHORED:, :2] = s[ANCHORED:, :2] + (d - r)[ANCHORED:, :2] @ onto.matrix.T
    moved[:ANCHORED, :2] = face
    return clip_keypoints(moved.astype(np.float32))


def _open_mouth(face: Points, now: Points) -> None:
    """Parts the lips of a face (A, 2) as far as the driver's points (A, 2)."""
    lowered = []
    for (lower, upper), (outer_lower, outer_upper) in zip(INNER_LIPS, OUTER_LIPS, strict=True):
        wanted, there = now[lower] - now[upper], face[lower] - face[upper]
        change = (wanted - there) / 2
        face[[lower, outer_lower]] += change
        face[[upper, outer_upper]] -= change
        lowered.append(change)
    down = np.mean(lowered, axis=0)
    for point, share in CHIN.items():
        face[point] += share * down


def _open_lids(face: Points, now: Points, source: Points, before: Points) -> None:
    """Parts the lids of a face as far as the driver's, scaled by the ratio of their eyes."""
    lower, upper = (list(side) for side in zip(*LIDS, strict=True))
    own = np.linalg.norm(source[lower] - source[upper], axis=1).mean()
    others = np.linalg.norm(before[lower] - before[upper], axis=1).mean()
    ratio = float(np.clip(own / max(others, 1e-9), 1 / LID_RATIO, LID_RATIO))
    middle = (face[lower] + face[upper]) / 2
    half = ratio * (now[lower] - now[upper]) / 2
    face[lower], face[upper] = middle + half, middle - half


def _weights() -> Points:
    firmness = np.zeros(ANCHORED)
    for first, last, firm in FIRM:
        firmness[first:last] = firm
    shares: Points = firmness / firmness.sum()
    return shares


_WEIGHTS: Final = _weights()


def _similarity(first: Points, second: Points) -> _Affine:
    """Returns the similarity that maps points (A, 2) onto others, by least squares."""
    own, other = _WEIGHTS @ first, _WEIGHTS @ second
    a, b = first - own, second - other
    spread = float(_WEIGHTS @ np.square(a).sum(1)) + RIDGE
    along = float(_WEIGHTS @ (a * b).sum(1)) / spread
    across = float(_WEIGHTS @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])) / spread
    matrix = np.array([[along, -across], [across, along]])
    return _Affine(matrix, other - matrix @ own)


def _affine(first: Points, second: Points) -> _Affine:
    """Returns the affine map from points (A, 2) onto others, by least squares."""
    own, other = _WEIGHTS @ first, _WEIGHTS @ second
    a, b = first - own, second - other
    weighted = _WEIGHTS[:, None] * a
    ridge = RIDGE * np.eye(2)
    matrix = (b.T @ weighted + ridge) @ np.linalg.inv(a.T @ weighted + ridge)
    return _Affine(matrix, other - matrix @ own)
