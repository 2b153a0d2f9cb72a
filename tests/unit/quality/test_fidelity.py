"""VIF agrees with its definition, computed slowly, and with known properties."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import convolve2d

from motioncast.quality.fidelity import LEAST_PIXELS, vif

Picture = NDArray[np.float64]


def natural(size: int, seed: int = 0) -> Picture:
    """Returns a picture (S, S) in [0, 1] with detail that falls off with frequency."""
    noise = np.fft.fft2(np.random.default_rng(seed).normal(size=(size, size)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    picture = np.fft.ifft2(noise / np.maximum(frequency, 1 / size)).real
    spread: Picture = (picture - picture.min()) / np.ptp(picture)
    return spread


def defined(original: Picture, result: Picture) -> float:
    """Returns VIF as in the authors' program: pixels up to 255, full 2-D windows."""
    x, y, above, below = 255 * original, 255 * result, 0.0, 0.0
    for scale in range(1, 5):
        n = 2 ** (4 - scale + 1) + 1
        grid = np.arange(n) - (n - 1) / 2
        window = np.exp(-(grid[:, None] ** 2 + grid[None] ** 2) / (2 * (n / 5) ** 2))
        window /= window.sum()
        if scale > 1:
            x, y = (convolve2d(one, window, "valid")[::2, ::2] for one in (x, y))
        m_x, m_y, xx, yy, xy = (
            convolve2d(one, window, "valid") for one in (x, y, x * x, y * y, x * y)
        )
        for of_x, of_y, both in zip(
            (xx - m_x**2).ravel(), (yy - m_y**2).ravel(), (xy - m_x * m_y).ravel(), strict=True
        ):
            gain = both / (of_x + 1e-10)
            added = of_y - gain * both
            if gain < 0:
                gain, added = 0.0, of_y
            above += math.log2(1 + gain**2 * of_x / (max(added, 1e-10) + 2))
            below += math.log2(1 + of_x / 2)
    return above / below


def test_the_original_has_1() -> None:
    original = natural(64)[None, None]
    assert vif(original, original) == pytest.approx([1.0], abs=1e-6)


@pytest.mark.parametrize("size", [LEAST_PIXELS, 64, 75])
def test_degraded_pictures_have_what_the_definition_says(size: int) -> None:
    original = natural(size)
    noisy = original + np.random.default_rng(1).normal(0, 0.03, original.shape)
    blurred = (original + np.roll(original, 1, 0) + np.roll(original, 1, 1)) / 3
    other = natural(size, 2)
    results = np.stack([noisy, blurred, other])[:, None]
    expected = [defined(original, one) for one in (noisy, blurred, other)]
    assert vif(results, np.repeat(original[None, None], 3, 0)) == pytest.approx(expected, rel=1e-6)
    assert expected[0] < 0.8
    assert expected[2] < 0.05


def test_more_contrast_exceeds_1() -> None:
    # y = c x: gain c and no noise, so each term is log2(1 + c^2 s^2 / n).
    original = natural(64)[None, None] / 2
    assert vif(1.5 * original, original)[0] > 1.1


def test_a_flat_result_keeps_nothing_and_of_a_flat_original_nothing_is_lost() -> None:
    original, flat = natural(64)[None, None], np.full((1, 1, 64, 64), 0.5)
    assert vif(flat, original) == pytest.approx([0.0], abs=1e-9)
    assert vif(flat, flat) == [1.0]


def test_colours_are_measured_as_brightness() -> None:
    original, result = natural(64), natural(64) * 0.9
    grey = vif(result[None, None], original[None, None])
    colours = [np.repeat(one[None, None], 3, 1) for one in (result, original)]
    assert vif(*colours) == pytest.approx(grey, rel=1e-9)


def test_what_cannot_be_compared_is_refused() -> None:
    small, other = np.zeros((1, 3, 40, 40)), np.zeros((1, 3, 48, 48))
    with pytest.raises(ValueError, match="cannot be compared"):
        vif(small, other)
    with pytest.raises(ValueError, match="40 pixels are too few"):
        vif(small, small)
    with pytest.raises(ValueError, match="2 channels"):
        vif(other[:, :2], other[:, :2])
