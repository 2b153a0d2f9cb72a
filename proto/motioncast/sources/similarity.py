"""How far two sets of keypoints are apart once one is scaled, turned and shifted to fit the other.

In complex numbers, p = x + iy, a similarity is p -> a p + b: |a| scales, its angle turns, b shifts.
The least squares over K points, with s' and d' taken from their means,

    a = sum conj(s'_k) d'_k / sum |s'_k|^2        b = mean(d) - a mean(s)

have this closed form (Umeyama, PAMI 1991, in the plane; reflections are no similarities here).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from motioncast.wire.keypoints import Keypoints


class Misfit(NamedTuple):
    """How T driving sets and N sources fit one another, (T, N) each, in keypoint units.

    Attributes:
        residual: Root mean square distance, by weights, between driving keypoints and the source's
            after the similarity.
        motion: The same between the source's keypoints before and after the similarity.
    """

    residual: NDArray[np.float64]
    motion: NDArray[np.float64]


def misfit(sources: Keypoints, driving: Keypoints, weights: NDArray[np.float64]) -> Misfit:
    """Fits every source to every driving set by a similarity, and says what is left.

    The fit is over all keypoints that have a weight, each counting the same, so that a mouth that
    weighs much is not fitted by a head that it bends.

    Args:
        sources: (N, K, 3).
        driving: (T, K, 3).
        weights: (K,), at least 0, of which one is above it.
    """
    used = weights > 0
    share = weights[used] / weights[used].sum()
    source = _points(sources)[None, :, used]  # (1, N, K)
    target = _points(driving)[:, None, used]  # (T, 1, K)
    centred = source - source.mean(axis=-1, keepdims=True)
    wanted = target - target.mean(axis=-1, keepdims=True)
    spread = np.sum(np.abs(centred) ** 2, axis=-1)  # (1, N)
    along = np.sum(np.conj(centred) * wanted, axis=-1)  # (T, N)
    # Points that all lie in one place can be shifted and nothing else.
    scale = np.divide(along, spread, out=np.ones_like(along), where=spread > 0)
    moved = scale[..., None] * centred + target.mean(axis=-1, keepdims=True)  # (T, N, K)
    return Misfit(_rms(target - moved, share), _rms(moved - source, share))


def _points(keypoints: Keypoints) -> NDArray[np.complex128]:
    places = keypoints[..., :2].astype(np.float64)
    return places[..., 0] + 1j * places[..., 1]


def _rms(distances: NDArray[np.complex128], share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.abs(distances) ** 2 @ share)
