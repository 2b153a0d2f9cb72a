"""The certainty of results: intervals over initialisations and clips, and whether A beats B.

    values[i, c]    the error of initialisation i on clip c, lower is better
    groups[c]       the video that clip c was cut from; clips of one video are not independent

The interval over clips is a bootstrap of both factors at once (Owen 2007, "the pigeonhole
bootstrap"): initialisations are drawn with replacement, then whole videos, the same videos for
every initialisation, one less of each than there are (Rao and Wu 1988); its bounds are 2.5 % and
97.5 % of the resampled means. The test of "A beats B" flips the sign of the difference of whole
videos (Fisher's randomisation test): under the null hypothesis each video favours A as much as B.
Its conclusion is for videos like these, given these initialisations; over initialisations alone
there is Welch's t-test.

Shapes: I initialisations, C clips, G videos, R resamples.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import stats

RESAMPLES = 10_000
FLIPS = 20_000  # exact enumeration up to 14 videos

Array = npt.NDArray[np.float64]
Groups = Sequence[Hashable]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with a two-sided confidence interval."""

    estimate: float
    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether A has a lower error than B on the same clips."""

    difference: Interval  # mean error of B minus that of A: positive if A is better
    relative_gain: Interval | None  # 1 - error of A / error of B; None unless B's is positive
    p_value: float  # one-sided, of the hypothesis that A is no better
    exact: bool  # all sign flips were enumerated
    clips: int
    videos: int


@dataclass(frozen=True, slots=True)
class InitialisationComparison:
    """Whether A has a lower mean error than B over initialisations."""

    difference: Interval  # of B minus A
    p_value: float  # one-sided, Welch


def interval_over_clips(
    values: npt.ArrayLike,
    rng: np.random.Generator,
    groups: Groups | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """Returns the mean of values (I, C) with its bootstrap interval; every clip weighs the same.

    groups: the video of each clip; None means that every clip is a separate video. With one
    initialisation only the videos are resampled. The quantiles assume many videos: with
    fewer than about 20 the interval is too narrow.
    """
    table, videos = _table("values", values), _Videos.of(values, groups)
    weights = videos.draw(rng, resamples)  # (R, G)
    means = videos.resampled_means(table, weights, rng)  # (R,)
    return _percentiles(float(table.mean()), means, level)


def interval_over_initialisations(values: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Returns the mean of values (I,), one per initialisation, with Student's interval, I >= 2."""
    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1 or len(sample) < 2:
        raise ValueError(
            f"initialisations: shape {sample.shape} (expected one value for each of at least two)"
        )
    half = stats.t.ppf((1 + level) / 2, len(sample) - 1) * sample.std(ddof=1) / len(sample) ** 0.5
    mean = float(sample.mean())
    return Interval(mean, mean - float(half), mean + float(half), level)


def compare(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    rng: np.random.Generator,
    groups: Groups | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
) -> Comparison:
    """Tests whether the errors a (I, C) are lower than the errors b (J, C) of the same clips.

    A predictor without random initialisation has I = 1. Initialisations of A and of B are
    resampled independently, since they are not paired. Raises ValueError for other shapes and
    for a single video.
    """
    first, second = _table("a", a), _table("b", b)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"a and b: have {first.shape[1]} and {second.shape[1]} clips (expected the same number)"
        )
    videos = _Videos.of(a, groups)
    weights = videos.draw(rng, resamples)
    means_a = videos.resampled_means(first, weights, rng)
    means_b = videos.resampled_means(second, weights, rng)
    mean_a, mean_b = float(first.mean()), float(second.mean())
    gain = None
    if mean_b > 0 and means_b.min() > 0:
        gain = _percentiles(1 - mean_a / mean_b, 1 - means_a / means_b, level)
    differences = videos.sums((second.mean(axis=0) - first.mean(axis=0))[None])[0]  # (G,)
    p_value, exact = sign_flip_p_value(differences, rng, flips)
    return Comparison(
        difference=_percentiles(mean_b - mean_a, means_b - means_a, level),
        relative_gain=gain,
        p_value=p_value,
        exact=exact,
        clips=first.shape[1],
        videos=videos.count,
    )


def sign_flip_p_value(
    differences: npt.ArrayLike, rng: np.random.Generator, flips: int = FLIPS
) -> tuple[float, bool]:
    """Returns the one-sided p of a positive sum of differences (G,), and whether it is exact.

    It is the share of sign patterns whose sum is at least the observed one: of all patterns if
    there are at most `flips`, else of that many random ones including the observed pattern.
    """
    values = np.asarray(differences, dtype=float)
    observed = values.sum() - 1e-12 * np.abs(values).sum()  # counts ties despite rounding
    if 2.0 ** len(values) <= flips:
        patterns = np.array(list(product((1.0, -1.0), repeat=len(values))))
        return float((patterns @ values >= observed).mean()), True
    patterns = rng.choice((1.0, -1.0), size=(flips, len(values)))
    reached = int((patterns @ values >= observed).sum())
    return (reached + 1) / (flips + 1), False


def compare_initialisations(
    a: npt.ArrayLike, b: npt.ArrayLike, level: float = 0.95
) -> InitialisationComparison:
    """Tests whether the mean error of a (I,) is lower than that of b (J,), one value each.

    Welch's t-test, which allows unequal variances. With J = 1, a predictor without random
    initialisation, b is a fixed number and the test is a one-sample one. Raises ValueError when
    neither varies.
    """
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.ndim != 1 or second.ndim != 1 or max(len(first), len(second)) < 2:
        raise ValueError(
            f"initialisations: shapes {first.shape} and {second.shape} (expected one"
            " dimension, and at least two values in one of them)"
        )
    variances = [
        sample.var(ddof=1) / len(sample) if len(sample) > 1 else 0.0 for sample in (first, second)
    ]
    error = float(np.sqrt(sum(variances)))
    if error == 0:
        raise ValueError("initialisations: the values do not vary, so there is nothing to test")
    freedom = sum(variances) ** 2 / sum(
        variance**2 / (len(sample) - 1)
        for variance, sample in zip(variances, (first, second), strict=True)
        if len(sample) > 1
    )
    gap = float(second.mean() - first.mean())
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return InitialisationComparison(
        Interval(gap, gap - half, gap + half, level), float(stats.t.sf(gap / error, freedom))
    )


def holm(p_values: npt.ArrayLike) -> Array:
    """Adjusts p-values (H,) for H tests by the method of Holm (1979): reject where <= alpha.

    Use it over the horizons of one comparison.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted


@dataclass(frozen=True, slots=True)
class _Videos:
    """The grouping of clips by video."""

    membership: Array  # (C, G), 1 where the clip belongs to the video

    @classmethod
    def of(cls, values: npt.ArrayLike, groups: Groups | None) -> "_Videos":
        clips = np.shape(values)[1]
        if groups is None:
            groups = range(clips)
        if len(groups) != clips:
            raise ValueError(
                f"groups: {len(groups)} for {clips} clips (expected one for each clip)"
            )
        names = list(dict.fromkeys(groups))
        if len(names) < 2:
            raise ValueError("groups: at least two videos are needed")
        columns = [names.index(group) for group in groups]
        return cls(np.eye(len(names))[columns])

    @property
    def count(self) -> int:
        return int(self.membership.shape[1])

    def sums(self, table: Array) -> Array:
        """Sums values (I, C) over the clips of each video, (I, G)."""
        return table @ self.membership

    def draw(self, rng: np.random.Generator, resamples: int) -> Array:
        """Returns how often each resample contains each video, (R, G)."""
        return _multiplicities(self.count, rng, resamples)

    def resampled_means(self, table: Array, weights: Array, rng: np.random.Generator) -> Array:
        """Returns the mean over clips of values (I, C) in every resample, (R,)."""
        rows = _multiplicities(len(table), rng, len(weights))  # (R, I)
        totals = ((rows @ self.sums(table)) * weights).sum(axis=1)
        counts = rows.sum(axis=1) * (weights @ self.membership.sum(axis=0))
        return totals / counts  # type: ignore[no-any-return]


def _multiplicities(count: int, rng: np.random.Generator, resamples: int) -> Array:
    """Draws one less than there are, so that the variance of the mean is unbiased for any count."""
    if count == 1:
        return np.ones((resamples, 1))
    return rng.multinomial(count - 1, np.full(count, 1 / count), size=resamples).astype(float)


def _percentiles(estimate: float, resampled: Array, level: float) -> Interval:
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), level)


def _table(name: str, values: npt.ArrayLike) -> Array:
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"{name}: has shape {table.shape} (expected (initialisations, clips))")
    if not np.isfinite(table).all():
        raise ValueError(f"{name}: contains values that are not finite")
    return table
