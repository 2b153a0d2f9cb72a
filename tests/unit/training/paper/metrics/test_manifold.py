"""Neighbourhoods, embeddings and Lipschitz ratios of paths with known geometry."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group

from motioncast.paper.metrics.manifold import (
    distinctness,
    kernel_pca,
    lipschitz,
    neighbourhoods,
)

Array = npt.NDArray[np.float64]


def points(seed: int, frames: int = 40, coordinates: int = 3) -> Array:
    return np.random.default_rng(seed).normal(size=(frames, coordinates))


def direct_trustworthiness(x: Array, z: Array, k: int) -> float:
    """Computes Venna and Kaski's formula term by term."""
    count = len(x)
    order_x = np.argsort(cdist(x, x), axis=1)
    order_z = np.argsort(cdist(z, z), axis=1)
    penalty = 0
    for i in range(count):
        rank = {int(j): r for r, j in enumerate(order_x[i])}  # the point itself has rank 0
        penalty += sum(max(0, rank[int(j)] - k) for j in order_z[i, 1 : k + 1])
    return 1 - 2 / (count * k * (2 * count - 3 * k - 1)) * penalty


def test_an_isometry_keeps_all_neighbours() -> None:
    x = points(0)
    z = 5 * x @ ortho_group.rvs(3, random_state=1) + 2
    result = neighbourhoods(x, z, neighbours=5)
    assert result.trustworthiness == result.continuity == 1


def test_trustworthiness_and_continuity_agree_with_their_formula() -> None:
    x, z = points(2), points(2)[:, :2] + 0.3 * points(3)[:, :2]
    result = neighbourhoods(x, z, neighbours=4)
    assert result.trustworthiness == pytest.approx(direct_trustworthiness(x, z, 4))
    assert result.continuity == pytest.approx(direct_trustworthiness(z, x, 4))
    assert result.trustworthiness != pytest.approx(result.continuity, abs=1e-4)


def test_a_random_path_tells_nothing_of_its_inputs() -> None:
    x = points(4, frames=300)
    shuffled = np.random.default_rng(5).permutation(x)
    assert neighbourhoods(x, shuffled, neighbours=5).trustworthiness == pytest.approx(0.5, abs=0.03)


def test_too_many_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="not less than half of 40 frames"):
        neighbourhoods(points(0), points(1), neighbours=20)


def test_a_path_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="40 and 39 frames"):
        neighbourhoods(points(0), points(1, frames=39))


def test_the_largest_ratio_of_a_linear_map_is_below_and_near_its_norm() -> None:
    x = points(6, frames=200, coordinates=2)
    matrix = np.array([[2.0, 1.0], [0.0, 1.0]])
    constant = np.linalg.norm(matrix, ord=2)
    measured = lipschitz(x, x @ matrix)
    assert measured.largest <= constant + 1e-12
    assert measured.largest == pytest.approx(constant, rel=1e-3)
    assert measured.pairs == 200 * 199 // 2


def test_all_ratios_of_a_scaled_isometry_are_its_scale() -> None:
    x = points(7)
    measured = lipschitz(x, 0.25 * x @ ortho_group.rvs(3, random_state=8))
    ratios = (measured.largest, measured.quantile_99, measured.quantile_90, measured.median)
    assert ratios == pytest.approx([0.25] * 4)


def test_pairs_of_all_but_equal_inputs_are_ignored() -> None:
    x = np.array([[0.0], [1e-9], [1.0]])
    z = np.array([[0.0], [5.0], [2.0]])
    measured = lipschitz(x, z, minimum_distance=1e-6)
    assert (measured.pairs, measured.ignored) == (2, 1)
    assert measured.largest == pytest.approx(3.0)


def test_inputs_that_never_differ_have_no_ratio() -> None:
    with pytest.raises(ValueError, match="no two frames"):
        lipschitz(np.zeros((4, 2)), points(0, frames=4))


def test_the_two_frames_that_come_closest_are_found() -> None:
    path = np.array([[0.0], [10.0], [4.0], [10.5]])
    found = distinctness(path)
    assert found.frames == (1, 3)
    assert found.minimum == pytest.approx(0.5)
    # distances 10, 4, 10.5, 6, 0.5, 6.5
    assert found.relative == pytest.approx(0.5 / 6.25)


def test_two_frames_with_one_z_are_not_distinct() -> None:
    path = points(9)
    path[30] = path[7]
    found = distinctness(path)
    assert (found.minimum, found.frames) == (0, (7, 30))


def test_kernel_pca_agrees_with_the_eigenvectors_of_the_centred_kernel() -> None:
    path = points(10, frames=25)
    embedding = kernel_pca(path, components=2)

    distances = cdist(path, path)
    sigma = np.median(distances[np.triu_indices(25, k=1)])
    kernel = np.exp(-(distances**2) / (2 * sigma**2))
    centre = np.eye(25) - np.full((25, 25), 1 / 25)
    values, vectors = np.linalg.eigh(centre @ kernel @ centre)
    expected = vectors[:, :-3:-1] * np.sqrt(values[:-3:-1])

    assert embedding.bandwidth == pytest.approx(sigma)
    np.testing.assert_allclose(np.abs(embedding.coordinates), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(embedding.explained, values[:-3:-1] / values.sum(), atol=1e-12)


def test_a_path_that_stands_still_cannot_be_embedded() -> None:
    with pytest.raises(ValueError, match="identical"):
        kernel_pca(np.ones((10, 4)))


def test_two_frames_are_no_path() -> None:
    with pytest.raises(ValueError, match="with T at least 3"):
        distinctness(np.zeros((2, 4)))
