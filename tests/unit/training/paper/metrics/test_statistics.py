"""Intervals and tests agree with scipy, exact enumeration and simulated data."""

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from motioncast.paper.metrics.statistics import (
    compare,
    compare_initialisations,
    holm,
    interval_over_clips,
    interval_over_initialisations,
    sign_flip_p_value,
)

Array = npt.NDArray[np.float64]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interval_over_initialisations_is_students() -> None:
    values = rng(1).normal(3, 0.5, size=7)
    low, high = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    interval = interval_over_initialisations(values)
    assert (interval.estimate, interval.low, interval.high) == pytest.approx(
        (values.mean(), low, high)
    )


def test_one_initialisation_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least two"):
        interval_over_initialisations([1.0])


def test_the_bootstrap_over_clips_agrees_with_scipys() -> None:
    values = rng(2).gamma(2.0, size=60)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=10_000, rng=rng(3)
    ).confidence_interval
    ours = interval_over_clips(values[None], rng(4))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    assert ours.estimate == pytest.approx(values.mean())


def test_clips_of_one_video_count_as_one() -> None:
    videos = rng(5).normal(size=30)
    copies = np.repeat(videos, 4)[None]  # four equal clips of each video
    names = [f"video {index // 4}" for index in range(120)]
    grouped = interval_over_clips(copies, rng(6), groups=names)
    alone = interval_over_clips(videos[None], rng(6))
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high), abs=1e-9)


def test_equal_initialisations_widen_nothing_and_different_ones_do() -> None:
    clips = rng(7).normal(size=50)
    single = interval_over_clips(clips[None], rng(8))
    equal = interval_over_clips(np.tile(clips, (5, 1)), rng(8))
    spread = interval_over_clips(clips + np.linspace(-1, 1, 5)[:, None], rng(8))
    assert equal.high - equal.low == pytest.approx(single.high - single.low, rel=0.05)
    assert spread.high - spread.low > 1.5 * (single.high - single.low)


def test_the_bootstrap_variance_is_that_of_both_factors() -> None:
    # For values r_i + c_j the mean has the variance var(r) / I + var(c) / C.
    rows, clips = rng(9).normal(size=(6, 1)), rng(10).normal(size=(1, 40))
    interval = interval_over_clips(rows + clips, rng(11), level=0.6826895, resamples=40_000)
    expected = np.sqrt(rows.var(ddof=1) / 6 + clips.var(ddof=1) / 40)
    assert (interval.high - interval.low) / 2 == pytest.approx(expected, rel=0.03)


def test_the_bootstrap_covers_the_true_mean_about_as_often_as_it_states() -> None:
    generator, trials, covered = rng(12), 300, 0
    for _ in range(trials):
        videos = generator.normal(5, 1, size=(40, 1))
        clips = (videos + generator.normal(0, 0.5, size=(40, 3))).reshape(1, -1)
        groups = np.repeat(np.arange(40), 3).tolist()
        interval = interval_over_clips(clips, generator, groups, resamples=400)
        covered += interval.low <= 5 <= interval.high
    # Nominally 95 %, slightly less with 40 videos and 400 resamples: binomial test around 93 %.
    assert stats.binomtest(covered, trials, 0.93).pvalue > 0.001


def test_the_sign_flip_test_of_few_videos_is_exact() -> None:
    differences = np.array([0.5, -0.1, 0.9, 0.3, -0.2, 0.7])
    sums = [np.dot(signs, differences) for signs in product((-1, 1), repeat=6)]
    expected = np.mean(np.array(sums) >= differences.sum() - 1e-12)
    p_value, exact = sign_flip_p_value(differences, rng())
    assert p_value == pytest.approx(expected)
    assert exact


def test_the_sign_flip_test_agrees_with_scipys_permutation_test() -> None:
    differences = rng(13).normal(0.4, 1, size=12)
    theirs = stats.permutation_test(
        (differences,),
        np.sum,
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
    )
    assert sign_flip_p_value(differences, rng())[0] == pytest.approx(theirs.pvalue)


def test_many_random_flips_come_close_to_the_exact_p() -> None:
    differences = rng(14).normal(0.3, 1, size=13)
    exact, was_exact = sign_flip_p_value(differences, rng(), flips=2**13)
    random, was_not = sign_flip_p_value(differences, rng(15), flips=8000)
    assert (was_exact, was_not) == (True, False)
    assert random == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 8000))


def test_the_least_p_of_videos_that_all_agree_is_one_in_all_patterns() -> None:
    assert sign_flip_p_value([1.0, 2.0, 3.0, 4.0, 5.0], rng())[0] == pytest.approx(1 / 32)


def test_no_difference_at_all_is_no_evidence() -> None:
    assert sign_flip_p_value([0.0] * 8, rng())[0] == 1


def test_the_test_rejects_a_true_null_no_more_often_than_stated() -> None:
    generator, trials = rng(16), 400
    p_values = [sign_flip_p_value(generator.normal(size=10), generator)[0] for _ in range(trials)]
    rejections = int(np.sum(np.array(p_values) <= 0.05))
    assert stats.binomtest(rejections, trials, 0.05, alternative="greater").pvalue > 0.001


def test_a_lower_error_on_every_video_is_seen() -> None:
    b = rng(17).uniform(1, 2, size=(1, 30))
    a = 0.9 * np.tile(b, (5, 1))
    result = compare(a, b, rng(18))
    assert result.difference.estimate == pytest.approx(0.1 * b.mean())
    assert result.relative_gain is not None
    assert result.relative_gain.estimate == pytest.approx(0.1)
    assert (result.relative_gain.low, result.relative_gain.high) == pytest.approx((0.1, 0.1))
    assert result.p_value < 1e-3
    assert (result.clips, result.videos, result.exact) == (30, 30, False)


def test_a_higher_error_is_no_lower_one() -> None:
    b = rng(19).uniform(1, 2, size=(1, 12))
    result = compare(b + 0.1, b, rng(20))
    assert result.difference.high < 0
    assert result.p_value == 1
    assert result.exact


def test_the_comparison_counts_videos_not_clips() -> None:
    b = rng(21).normal(5, 1, size=(1, 8))
    a = b - np.array([0.5, 0.4, 0.3, -0.1, 0.2, 0.6, 0.1, 0.3])
    groups = ["p", "p", "q", "q", "r", "r", "s", "s"]
    result = compare(a, b, rng(22), groups)
    # Sums by video are 0.9, 0.2, 0.8 and 0.4, all positive: only one sign pattern reaches the sum.
    assert result.p_value == pytest.approx(1 / 16)
    assert result.videos == 4


def test_pairing_makes_the_interval_of_the_difference_narrow() -> None:
    easy_and_hard = rng(23).uniform(0, 10, size=(1, 40))
    result = compare(easy_and_hard, easy_and_hard + 0.1, rng(24))
    assert (result.difference.low, result.difference.high) == pytest.approx((0.1, 0.1))


def test_a_relative_gain_over_errors_that_are_not_positive_is_not_told() -> None:
    a, b = -rng(25).uniform(30, 36, size=(1, 10)), -rng(26).uniform(25, 29, size=(1, 10))
    assert compare(a, b, rng()).relative_gain is None


def test_the_same_seed_gives_the_same_comparison() -> None:
    a, b = rng(27).normal(size=(3, 20)), rng(28).normal(size=(4, 20))
    assert compare(a, b, rng(29)) == compare(a, b, rng(29))


def test_the_comparison_of_initialisations_is_welchs() -> None:
    a, b = rng(30).normal(1.0, 0.1, size=5), rng(31).normal(1.2, 0.4, size=8)
    theirs = stats.ttest_ind(b, a, equal_var=False, alternative="greater")
    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval()
    ours = compare_initialisations(a, b)
    assert ours.p_value == pytest.approx(theirs.pvalue)
    assert (ours.difference.low, ours.difference.high) == pytest.approx(
        (interval.low, interval.high)
    )


def test_a_fixed_competitor_makes_it_a_one_sample_test() -> None:
    a = rng(32).normal(1.0, 0.1, size=5)
    theirs = stats.ttest_1samp(a, 1.1, alternative="less")
    assert compare_initialisations(a, [1.1]).p_value == pytest.approx(theirs.pvalue)


def test_initialisations_that_do_not_vary_cannot_be_tested() -> None:
    with pytest.raises(ValueError, match="do not vary"):
        compare_initialisations([1.0, 1.0], [2.0])
    with pytest.raises(ValueError, match="expected one dimension"):
        compare_initialisations([1.0], [2.0])


def test_holms_adjustment_follows_the_worked_steps() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holms_adjustment_stays_a_probability() -> None:
    assert holm([0.6, 0.9, 0.7]).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("values", "groups", "message"),
    [
        (np.zeros(4), None, r"expected \(initialisations, clips\)"),
        (np.array([[1.0, np.nan]]), None, "not finite"),
        (np.zeros((2, 3)), ["a", "b"], "2 for 3 clips"),
        (np.zeros((2, 3)), ["a", "a", "a"], "at least two videos"),
    ],
)
def test_tables_that_cannot_be_resampled_are_refused(
    values: Array, groups: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        interval_over_clips(values, rng(), groups)


def test_predictors_measured_on_different_clips_do_not_compare() -> None:
    with pytest.raises(ValueError, match="3 and 4 clips"):
        compare(np.zeros((1, 3)), np.zeros((1, 4)), rng())
