"""Residuals after fitting one set of keypoints to another by a similarity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from motioncast.sources import misfit

EVEN = np.ones(10)


def some_points(seed: int, count: int = 10) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)


def moved(
    points: NDArray[np.float32], scale: float, angle: float, x: float, y: float
) -> NDArray[np.float32]:
    """Returns the points scaled, rotated about the origin by `angle` radians, and shifted."""
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    result = points.copy()
    result[:, :2] = points[:, :2] @ turn.T + (x, y)
    return result


@given(
    st.integers(0, 1000),
    st.floats(0.2, 3),
    st.floats(-3, 3),
    st.floats(-0.5, 0.5),
    st.floats(-0.5, 0.5),
)
def test_a_similarity_leaves_nothing(
    seed: int, scale: float, angle: float, x: float, y: float
) -> None:
    source = some_points(seed)
    weights = np.random.default_rng(seed + 1).uniform(0, 5, 10) + 0.1
    fitted = misfit(source[None], moved(source, scale, angle, x, y)[None], weights)
    assert fitted.residual[0, 0] == pytest.approx(0, abs=1e-6)


def test_the_motion_is_the_distance_that_the_points_go() -> None:
    source = some_points(0)
    shifted = misfit(source[None], moved(source, 1, 0, 0.3, -0.4)[None], EVEN)
    assert shifted.motion[0, 0] == pytest.approx(0.5, abs=1e-6)
    centred = source.copy()
    centred[:, :2] -= centred[:, :2].mean(axis=0)
    spread = np.sqrt(np.square(centred[:, :2]).sum(axis=1).mean())
    doubled = misfit(centred[None], moved(centred, 2, 0, 0, 0)[None], EVEN)
    assert doubled.motion[0, 0] == pytest.approx(spread, abs=1e-6)


def test_no_other_similarity_leaves_less() -> None:
    source, driving = some_points(1), some_points(2)

    def residual(similarity: NDArray[np.float64]) -> float:
        fitted = moved(source.astype(np.float64), *similarity)
        return float(np.sqrt(np.square(fitted - driving)[:, :2].sum(axis=1).mean()))

    best = min(
        float(minimize(residual, [1, angle, 0, 0], method="BFGS").fun) for angle in (0, 2, 4)
    )
    fitted = misfit(source[None], driving[None], EVEN)
    assert fitted.residual[0, 0] == pytest.approx(best, abs=1e-6)


def test_a_weight_counts_as_so_many_points_but_in_the_fit() -> None:
    source = np.array([[-1, 0, 0], [1, 0, 0], [0, 1, 0], [0, -1, 0]], np.float32)
    driving = source.copy()
    driving[2:, 1] *= 0.5  # which no similarity can do
    # The best scale is (1 + 1 + 0.5 + 0.5) / 4 = 0.75: every point is then 0.25 off.
    even = misfit(source[None], driving[None], np.ones(4))
    assert even.residual[0, 0] == pytest.approx(0.25)
    driving[3] = source[3]
    # 3.5 / 4 = 0.875, and up by -0.125: off by 1/8 sideways and up, 0.25, and 0.25 and 0.
    expected = {0: np.hypot(0.125, 0.125), 2: 0.25, 3: 0.0}
    for point, distance in expected.items():
        weights = np.full(4, 1e-12)
        weights[point] = 1
        found = misfit(source[None], driving[None], weights)
        assert found.residual[0, 0] == pytest.approx(distance, abs=1e-5)


def test_a_keypoint_without_weight_is_not_there() -> None:
    source, driving = some_points(3), some_points(4)
    weights = np.array([1.0] * 9 + [0.0])
    expected = misfit(source[None, :9], driving[None, :9], np.ones(9))
    driving[9, :2] = 1, -1
    found = misfit(source[None], driving[None], weights)
    np.testing.assert_allclose(found.residual, expected.residual)
    np.testing.assert_allclose(found.motion, expected.motion)


def test_points_in_one_place_are_shifted_and_nothing_else() -> None:
    source = np.zeros((1, 10, 3), np.float32)
    driving = some_points(5)
    centred = driving[:, :2] - driving[:, :2].mean(axis=0)
    found = misfit(source, driving[None], EVEN)
    assert found.residual[0, 0] == pytest.approx(np.sqrt(np.square(centred).sum(axis=1).mean()))


def test_a_mirror_image_is_no_similarity() -> None:
    source = some_points(6)
    mirrored = source * np.array([-1, 1, 1], np.float32)
    assert misfit(source[None], mirrored[None], EVEN).residual[0, 0] > 0.1


def test_every_driving_set_is_compared_with_every_source() -> None:
    sources = np.stack([some_points(seed) for seed in range(3)])
    driving = np.stack([some_points(seed) for seed in range(10, 15)])
    together = misfit(sources, driving, EVEN)
    for t in range(5):
        for n in range(3):
            alone = misfit(sources[n : n + 1], driving[t : t + 1], EVEN)
            assert together.residual[t, n] == pytest.approx(alone.residual[0, 0])
            assert together.motion[t, n] == pytest.approx(alone.motion[0, 0])
