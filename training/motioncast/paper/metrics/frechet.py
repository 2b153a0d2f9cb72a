"""The Frechet distance between Gaussians (Dowson and Landau 1982; Heusel et al. 2017).

    d^2 = |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))

With S_i = A_i^T A_i the eigenvalues of S_1 S_2 are the squared singular values of A_1 A_2^T, so

    tr (S_1 S_2)^(1/2) = sum of the singular values of A_1 A_2^T,

which needs no matrix square root and holds for singular covariances (fewer samples than features).

Shapes: N samples, D features, R rank.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GaussianMoments:
    """A Gaussian, as its mean and a root of its covariance."""

    mean: Array  # (D,)
    root: Array  # (R, D), covariance = root^T root

    @classmethod
    def of(cls, mean: npt.ArrayLike, covariance: npt.ArrayLike) -> "GaussianMoments":
        """Takes mean (D,) and covariance (D, D).

        Raises ValueError for mismatched shapes and for a matrix that is not a covariance.
        """
        centre, matrix = np.asarray(mean, dtype=float), np.asarray(covariance, dtype=float)
        if matrix.shape != (*centre.shape, *centre.shape):
            raise ValueError(
                f"covariance: shape {matrix.shape} does not match a mean of shape {centre.shape}"
            )
        if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-9 * np.abs(matrix).max(initial=0)):
            raise ValueError("covariance: is not symmetric")
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        if values.min(initial=0) < -1e-6 * values.max(initial=0):
            raise ValueError("covariance: has a negative eigenvalue")
        return cls(centre, np.sqrt(values.clip(min=0))[:, None] * vectors.T)

    @classmethod
    def of_samples(cls, samples: npt.ArrayLike) -> "GaussianMoments":
        """Fits samples (N, D), N >= 2, with the unbiased covariance (division by N - 1)."""
        features = np.asarray(samples, dtype=float)
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(
                f"samples: have shape {features.shape} (expected (N, D) with N at least 2)"
            )
        if not np.isfinite(features).all():
            raise ValueError("samples: contain values that are not finite")
        mean = features.mean(axis=0)
        deviations = (features - mean) / np.sqrt(len(features) - 1)
        triangle: Array = np.linalg.qr(deviations, mode="r")  # type: ignore[assignment]
        return cls(mean, triangle)


def frechet_distance(first: GaussianMoments, second: GaussianMoments) -> float:
    """Returns d^2, the squared distance that FID and FVD report."""
    if first.mean.shape != second.mean.shape:
        raise ValueError(f"features: shapes {first.mean.shape} and {second.mean.shape} differ")
    shift = float(np.square(first.mean - second.mean).sum())
    variances = float(np.square(first.root).sum() + np.square(second.root).sum())
    common = float(np.linalg.svd(first.root @ second.root.T, compute_uv=False).sum())
    return max(shift + variances - 2 * common, 0.0)


def frechet_distance_of_samples(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Returns d^2 between the Gaussians fitted to samples (N, D) and (M, D).

    With few samples it is biased upwards: two draws of one distribution are not at distance zero.
    """
    return frechet_distance(GaussianMoments.of_samples(first), GaussianMoments.of_samples(second))
