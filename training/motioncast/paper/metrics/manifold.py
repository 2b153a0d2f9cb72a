"""Tests whether the latent path has the properties claimed by the paper (section 2, Figure 2).

    P1  every frame X_t has its own z_t:           min over t != s of |z_t - z_s|  >  0
    P2  neighbours in X stay neighbours in z:      trustworthiness and continuity (Venna and Kaski)
        |z_t - z_s| <= L |X_t - X_s|:              the largest ratio over pairs, an empirical L

Trustworthiness is 1 when the k nearest neighbours in z are neighbours in X too, and near 1/2 when z
is unrelated to X; continuity is the same with the two spaces exchanged. The largest ratio is a
lower bound on the Lipschitz constant, as it is limited to these pairs.

Shapes: T frames of one clip, D input coordinates, Z latent.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist, squareform
from sklearn.decomposition import KernelPCA
from sklearn.manifold import trustworthiness

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Embedding:
    """A kernel PCA of a path."""

    coordinates: Array  # (T, components)
    explained: Array  # (components,), share of the variance in feature space
    bandwidth: float  # sigma of exp(-|z - z'|^2 / (2 sigma^2))


@dataclass(frozen=True, slots=True)
class Neighbourhoods:
    """How well two spaces agree about neighbourhoods; 1 is best."""

    trustworthiness: float  # neighbours in z are neighbours in X
    continuity: float  # neighbours in X are neighbours in z
    neighbours: int


@dataclass(frozen=True, slots=True)
class Lipschitz:
    """Ratios |z_t - z_s| / |X_t - X_s| over the pairs of frames of a clip."""

    largest: float
    quantile_99: float
    quantile_90: float
    median: float
    pairs: int
    ignored: int  # pairs closer in X than the minimum distance


@dataclass(frozen=True, slots=True)
class Distinctness:
    """P1 in numbers."""

    minimum: float  # smallest |z_t - z_s| of two different frames
    relative: float  # the same, over the median distance between frames
    frames: tuple[int, int]  # the two frames


def kernel_pca(path: npt.ArrayLike, components: int = 2) -> Embedding:
    """Embeds a path (T, Z) by kernel PCA with a Gaussian kernel, sigma the median distance.

    Raises ValueError when the path stands still, as there is nothing to embed.
    """
    points = _points("path", path)
    sigma = float(np.median(pdist(points)))
    if sigma == 0:
        raise ValueError("path: most of its points are identical")
    model = KernelPCA(n_components=components, kernel="rbf", gamma=1 / (2 * sigma**2))
    coordinates = model.fit_transform(points)
    gram = np.exp(-squareform(pdist(points, "sqeuclidean")) / (2 * sigma**2))
    total = np.trace(gram) - gram.mean() * len(gram)  # trace of the centred kernel
    return Embedding(coordinates, model.eigenvalues_ / total, sigma)


def neighbourhoods(
    inputs: npt.ArrayLike, path: npt.ArrayLike, neighbours: int = 5
) -> Neighbourhoods:
    """Compares inputs (T, D) with path (T, Z), neighbours < T / 2."""
    x, z = _points("inputs", inputs), _points("path", path)
    _same_length(x, z)
    if not 0 < neighbours < len(x) / 2:
        raise ValueError(f"neighbours: {neighbours} is not less than half of {len(x)} frames")
    return Neighbourhoods(
        trustworthiness=float(trustworthiness(x, z, n_neighbors=neighbours)),
        continuity=float(trustworthiness(z, x, n_neighbors=neighbours)),
        neighbours=neighbours,
    )


def lipschitz(
    inputs: npt.ArrayLike, path: npt.ArrayLike, minimum_distance: float = 1e-6
) -> Lipschitz:
    """Returns the ratios of inputs (T, D) to path (T, Z) over pairs at least that far apart in X.

    For two nearly equal frames the ratio would only reflect rounding errors. Raises ValueError
    when no pair is left.
    """
    x, z = _points("inputs", inputs), _points("path", path)
    _same_length(x, z)
    distances = pdist(x)
    far = distances >= minimum_distance
    if not far.any():
        raise ValueError(f"inputs: no two frames are at least {minimum_distance} apart")
    ratios = pdist(z)[far] / distances[far]
    median, quantile_90, quantile_99 = np.quantile(ratios, [0.5, 0.9, 0.99])
    return Lipschitz(
        largest=float(ratios.max()),
        quantile_99=float(quantile_99),
        quantile_90=float(quantile_90),
        median=float(median),
        pairs=int(far.sum()),
        ignored=int((~far).sum()),
    )


def distinctness(path: npt.ArrayLike) -> Distinctness:
    """Finds the two frames of a path (T, Z) whose z are closest to each other."""
    distances = squareform(pdist(_points("path", path)))
    frames = len(distances)
    above = np.triu_indices(frames, k=1)
    pairs = distances[above]
    closest = int(pairs.argmin())
    median = float(np.median(pairs))
    return Distinctness(
        minimum=float(pairs[closest]),
        relative=float(pairs[closest]) / median if median > 0 else 0.0,
        frames=(int(above[0][closest]), int(above[1][closest])),
    )


def _points(name: str, values: npt.ArrayLike) -> Array:
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2 or len(points) < 3:
        raise ValueError(
            f"{name}: has shape {points.shape} (expected (T, coordinates) with T at least 3)"
        )
    return points


def _same_length(x: Array, z: Array) -> None:
    if len(x) != len(z):
        raise ValueError(
            f"inputs and path: have {len(x)} and {len(z)} frames (expected the same number)"
        )
