"""The Frechet distance agrees with closed forms and scipy's matrix square root."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.transform import Rotation

from motioncast.paper.metrics.frechet import (
    GaussianMoments,
    frechet_distance,
    frechet_distance_of_samples,
)

Array = npt.NDArray[np.float64]


def covariance(seed: int, size: int, rank: int | None = None) -> Array:
    factor = np.random.default_rng(seed).normal(size=(rank or size, size))
    product: Array = factor.T @ factor / size
    return product


def distance(mean_1: Array, cov_1: Array, mean_2: Array, cov_2: Array) -> float:
    return frechet_distance(GaussianMoments.of(mean_1, cov_1), GaussianMoments.of(mean_2, cov_2))


def test_two_gaussians_on_a_line_are_apart_by_their_means_and_deviations() -> None:
    d = distance(np.array([1.0]), np.array([[4.0]]), np.array([4.0]), np.array([[25.0]]))
    assert d == pytest.approx((4 - 1) ** 2 + (5 - 2) ** 2)


def test_diagonal_covariances_add_up_over_the_axes() -> None:
    deviations_1, deviations_2 = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.1, 0.5])
    d = distance(np.zeros(3), np.diag(deviations_1**2), np.ones(3), np.diag(deviations_2**2))
    assert d == pytest.approx(3 + np.square(deviations_1 - deviations_2).sum())


def test_rotating_both_gaussians_together_changes_nothing() -> None:
    rotation = Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix()
    cov_1, cov_2 = np.diag([1.0, 4.0, 0.25]), np.diag([9.0, 1.0, 0.0])
    turned = [rotation @ cov @ rotation.T for cov in (cov_1, cov_2)]
    assert distance(rotation[:, 0], turned[0], np.zeros(3), turned[1]) == pytest.approx(
        1 + (3 - 1) ** 2 + (2 - 1) ** 2 + 0.5**2
    )


def test_covariances_in_the_plane_that_do_not_commute_follow_the_closed_form() -> None:
    # For 2x2 matrices with non-negative eigenvalues, tr sqrt(M) = sqrt(tr M + 2 sqrt(det M)).
    cov_1, cov_2 = np.array([[2.0, 0.6], [0.6, 1.0]]), np.array([[0.5, -0.3], [-0.3, 3.0]])
    product = cov_1 @ cov_2
    assert not np.allclose(product, product.T)
    root_trace = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    expected = np.trace(cov_1) + np.trace(cov_2) - 2 * root_trace
    assert distance(np.zeros(2), cov_1, np.zeros(2), cov_2) == pytest.approx(expected)


def test_covariances_in_thirty_dimensions_agree_with_scipys_square_root() -> None:
    cov_1, cov_2 = covariance(1, 30), covariance(2, 30)
    mean = np.linspace(-1, 1, 30)
    root = np.real(sqrtm(cov_1 @ cov_2))
    expected = mean @ mean + np.trace(cov_1 + cov_2 - 2 * root)
    assert distance(mean, cov_1, np.zeros(30), cov_2) == pytest.approx(expected, rel=1e-9)


def test_singular_covariances_on_orthogonal_lines_have_nothing_in_common() -> None:
    d = distance(np.zeros(2), np.diag([4.0, 0.0]), np.zeros(2), np.diag([0.0, 9.0]))
    assert d == pytest.approx(4 + 9)


def test_a_gaussian_has_no_distance_from_itself_whatever_its_rank() -> None:
    for rank in (40, 3):
        same = GaussianMoments.of(np.ones(40), covariance(3, 40, rank))
        assert frechet_distance(same, same) == pytest.approx(0, abs=1e-9)


def test_the_distance_is_symmetric() -> None:
    first = GaussianMoments.of(np.ones(8), covariance(4, 8, rank=3))
    second = GaussianMoments.of(np.zeros(8), covariance(5, 8))
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))


def test_fewer_samples_than_features_agree_with_their_moments() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(12, 50)), rng.normal(size=(15, 50)) + 0.2
    by_moments = distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
    assert frechet_distance_of_samples(a, b) == pytest.approx(by_moments, rel=1e-7)


def test_many_samples_approach_the_distance_of_their_distributions() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.normal(0, 1, (20_000, 4)), rng.normal(0.5, 2, (20_000, 4))
    assert frechet_distance_of_samples(a, b) == pytest.approx(4 * (0.5**2 + 1), rel=0.03)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (np.array([[1.0, 0.0], [0.0, -1.0]]), "negative eigenvalue"),
        (np.eye(3), "does not match"),
    ],
)
def test_what_is_no_covariance_is_refused(matrix: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianMoments.of(np.zeros(2), matrix)


def test_samples_that_are_too_few_or_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="with N at least 2"):
        GaussianMoments.of_samples(np.zeros((1, 4)))
    with pytest.raises(ValueError, match="not finite"):
        GaussianMoments.of_samples(np.array([[0.0], [np.nan]]))


def test_gaussians_of_different_dimensions_do_not_compare() -> None:
    with pytest.raises(ValueError, match="differ"):
        frechet_distance_of_samples(np.eye(3), np.eye(4))
