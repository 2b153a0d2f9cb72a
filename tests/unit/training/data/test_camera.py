"""Sources are damaged as by a camera's noise and by compression."""

import numpy as np
import pytest
from PIL import Image

from motioncast.data.camera import NOISE_LEVELS, QUALITIES, Damage, damaged, draw_damage

SIDE = 128
GREY = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))


def noise(damage: Damage) -> np.ndarray:
    """Returns the noise (SIDE, SIDE, 3) that a grey picture gets, in levels."""
    return np.asarray(damaged(GREY, damage), float) - 128


@pytest.mark.parametrize("smoothed", [False, True])
def test_noise_has_its_standard_deviation_and_no_mean(smoothed: bool) -> None:
    found = noise(Damage(noise=4.0, smoothed=smoothed, seed=1))
    assert found.std() == pytest.approx(4.0, abs=0.1)  # rounding to levels adds 0.01
    assert abs(found.mean()) < 0.15
    assert np.corrcoef(found[..., 0].ravel(), found[..., 2].ravel())[0, 1] == pytest.approx(
        0.5, abs=0.05
    )


@pytest.mark.parametrize(("smoothed", "expected"), [(False, 0.0), (True, 2 / 3)])
def test_smooth_noise_resembles_its_neighbour(smoothed: bool, expected: float) -> None:
    """(1, 2, 1) correlated with itself is 6 at no lag and 4 at one: a correlation of 2/3."""
    green = noise(Damage(noise=8.0, smoothed=smoothed, seed=2))[..., 1]
    across = np.corrcoef(green[:, 1:].ravel(), green[:, :-1].ravel())[0, 1]
    assert across == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("coding", ["AVIF", "JPEG"])
def test_compression_costs_more_at_a_lower_quality(coding: str) -> None:
    random = np.random.default_rng(0)
    blurred = Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).resize((SIDE, SIDE))

    def error(quality: int) -> float:
        decoded = damaged(blurred, Damage(coding=coding, quality=quality))  # type: ignore[arg-type]
        return float(np.square(np.asarray(decoded, float) - np.asarray(blurred)).mean())

    assert error(50) > error(80) > 0


def test_nothing_is_damaged_unless_it_is_asked_for() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        damage = draw_damage(random, noisy=0, coded=0)
        assert not damage.visible
        assert damaged(GREY, damage) is GREY


def test_damage_is_drawn_in_its_shares_and_ranges() -> None:
    random = np.random.default_rng(0)
    drawn = [draw_damage(random, noisy=0.25, coded=0.5) for _ in range(2000)]
    noisy = [one.noise for one in drawn if one.noise]
    coded = [(one.coding, one.quality) for one in drawn if one.coding]
    assert len(noisy) / len(drawn) == pytest.approx(0.25, abs=0.04)
    assert len(coded) / len(drawn) == pytest.approx(0.5, abs=0.05)
    assert NOISE_LEVELS[0] <= min(noisy) < max(noisy) <= NOISE_LEVELS[1]
    for name, (lowest, highest) in QUALITIES.items():
        qualities = {quality for coding, quality in coded if coding == name}
        assert (min(qualities), max(qualities)) == (lowest, highest)


def test_the_same_damage_gives_the_same_picture() -> None:
    damage = Damage(noise=3.0, smoothed=True, coding="AVIF", quality=60, seed=5)
    first, second = (np.asarray(damaged(GREY, damage)) for _ in range(2))
    assert np.array_equal(first, second)
