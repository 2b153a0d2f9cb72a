"""A frame's noise depends only on the seed and the frame's index."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from motioncast.inference.forecast import noise


@given(
    seed=st.integers(0, 2**64 - 1),
    start=st.integers(0, 2**40),
    length=st.integers(2, 12),
    cut=st.integers(1, 11),
)
def test_it_does_not_depend_on_how_the_timeline_is_cut(
    seed: int, start: int, length: int, cut: int
) -> None:
    cut = min(cut, length - 1)
    whole = noise(seed, start, length, samples=3, size=5)
    before = noise(seed, start, cut, samples=3, size=5)
    after = noise(seed, start + cut, length - cut, samples=3, size=5)
    np.testing.assert_array_equal(np.concatenate([before, after], axis=1), whole)


def test_a_path_does_not_depend_on_how_many_others_there_are() -> None:
    many = noise(3, 100, 6, samples=32, size=16)
    for samples in (1, 2, 31):
        np.testing.assert_array_equal(noise(3, 100, 6, samples, size=16), many[:samples])


def test_it_is_standard_normal_over_frames_paths_and_seeds() -> None:
    values = np.concatenate([noise(seed, 0, 50, 32, 16).ravel() for seed in range(4)])
    assert stats.kstest(values, "norm").pvalue > 0.001
    frames = noise(0, 0, 400, 1, 16)[0]  # (T, Z)
    correlation = np.corrcoef(frames[:-1].ravel(), frames[1:].ravel())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(frames[1:].size)  # four standard errors


def test_without_a_seed_it_is_zero() -> None:
    assert not noise(None, 7, 4, 2, 3).any()
    assert noise(None, 7, 4, 2, 3).shape == (2, 4, 3)
