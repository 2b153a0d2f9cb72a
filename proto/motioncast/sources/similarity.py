"""The distance between two sets of keypoints after scaling, rotating and shifting one to fit.

In complex numbers, p = x + iy, a similarity is p -> a p + b: |a| scales, its angle rotates, b
shifts. Least squares over K points, with s' and d' relative to their means, has the closed form

    a = sum conj(s'_k) d'_k / sum |s'_k|^2        b = mean(d) - a mean(s)

(Umeyama, PAMI 1991, in the plane; reflections do not count as similarities here).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from motioncast.wire.keypoints import Keypoints


class Misfit(NamedTuple):
    """How well T driving sets and N sources fit each other, (T, N) each, in keypoint units.

    Attributes:
        residual: Weighted root mean square distance between driving keypoints and the source's
            after the similarity.
        motion: The same distance between the source's keypoints before and after the similarity.
    """

    residual: NDArray[np.float64]
    motion: NDArray[np.float64]


def misfit(sources: Keypoints, driving: Keypoints, weights: NDArray[np.float64]) -> Misfit:
    """Fits every source to every driving set by a similarity, and measures the remainder.

    The fit covers all keypoints with a positive weight, each counting equally, so that a mouth of
    large weight is not fitted at the expense of the head.

    Args:
        sources: (N, K, 3).
        driving: (T, K, 3).
        weights: (K,), at least 0, and one of them above it.
    """
    used = weights > 0
    share = weights[used] / weights[used].sum()
    source = _points(sources)[None, :, used]  # (1, N, K)
    target = _points(driving)[:, None, used]  # (T, 1, K)
    centred = source - source.mean(axis=-1, keepdims=True)
    wanted = target - target.mean(axis=-1, keepdims=True)
    spread = np.sum(np.abs(centred) ** 2, axis=-1)  # (1, N)
    along = np.sum(np.conj(centred) * wanted, axis=-1)  # (T, N)
    # Points that all coincide can only be shifted.
    scale = np.divide(along, spread, out=np.ones_like(along), where=spread > 0)
    moved = scale[..., None] * centred + target.mean(axis=-1, keepdims=True)  # (T, N, K)
    return Misfit(_rms(target - moved, share), _rms(moved - source, share))


def _points(keypoints: Keypoints) -> NDArray[np.complex128]:
    places = keypoints[..., :2].astype(np.float64)
    return places[..., 0] + 1j * places[..., 1]


def _rms(distances: NDArray[np.complex128], share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.abs(distances) ** 2 @ share)
