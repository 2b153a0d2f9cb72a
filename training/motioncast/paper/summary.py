"""Turns the values of every clip and frame into reported figures with their uncertainty.

    summary     mean over clips and initialisations, interval over both (metrics/statistics.py)
    per frame   the same at every frame of the protocol
    verdicts    whether the VRNN beats every other predictor, corrected for their number

Shapes: R rows, I initialisations of one kind, C clips, T frames.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from motioncast.paper.experiment import REFERENCES, Row, Values
from motioncast.paper.measures import MEASURES
from motioncast.paper.metrics.statistics import (
    Interval,
    compare,
    compare_initialisations,
    holm,
    interval_over_clips,
    interval_over_initialisations,
)

CONTENDER = "vrnn"
FRAME_RESAMPLES = 1000  # fewer: there are thousands of intervals, one per frame and curve

Scope = Literal["all", "predicted"]


@dataclass(frozen=True, slots=True)
class Section:
    """The measurements of one mode, on clips of known videos."""

    mode: str  # reconstruction, transfer, or keypoints, which need no synthesis
    rows: tuple[Row, ...]
    values: Mapping[str, Values]  # by measure, (R, C, T)
    mask: npt.NDArray[np.bool_]  # (T,), True where observed
    videos: Sequence[Hashable]  # (C,)
    singles: Mapping[str, Values] = field(default_factory=dict)  # by measure, (R,); NaN for none

    def kinds(self) -> list[str]:
        """Returns every kind of row once, in order."""
        return list(dict.fromkeys(row.kind for row in self.rows))

    def of_kind(self, kind: str) -> list[int]:
        """Returns the rows of one kind: its initialisations."""
        return [index for index, row in enumerate(self.rows) if row.kind == kind]

    def per_clip(self, measure: str, kind: str, scope: Scope) -> Values:
        """Returns means over the frames of every clip, (I, C)."""
        chosen = self.frames_of(scope)
        return np.asarray(self.values[measure][self.of_kind(kind)][..., chosen].mean(axis=-1))

    def per_initialisation(self, measure: str, kind: str, scope: Scope) -> Values:
        """Returns one figure per initialisation, (I,)."""
        if measure in self.singles:
            return np.asarray(self.singles[measure][self.of_kind(kind)])
        return np.asarray(self.per_clip(measure, kind, scope).mean(axis=1))

    def frames_of(self, scope: Scope) -> npt.NDArray[np.bool_]:
        """Returns the frames of a scope, (T,); all of them if none is predicted."""
        missing = ~self.mask
        return missing if scope == "predicted" and missing.any() else np.ones_like(missing)


@dataclass(frozen=True, slots=True)
class Line:
    """One reported figure; without an interval if there is only one clip or initialisation."""

    mode: str
    predictor: str
    measure: str
    frames: Scope
    initialisations: int
    clips: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class FrameLine:
    """One point of a curve over time."""

    mode: str
    predictor: str
    measure: str
    frame: int
    observed: bool
    horizon: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the contender beats another predictor on the predicted frames."""

    mode: str
    measure: str
    predictor: str
    against: str
    difference: float  # positive if the contender is better
    low: float
    high: float
    relative_gain: float | None  # share of the other's error that is eliminated
    p_value: float
    p_holm: float  # corrected for the number of others
    over: Literal["clips", "initialisations"]
    clips: int
    videos: int


def summarise(section: Section, seed: int = 0) -> list[Line]:
    """Returns every figure of a section."""
    rng = np.random.default_rng(seed)
    lines = []
    for measure, kind in _reported(section, section.values):
        scopes: tuple[Scope, ...] = ("all",) if section.mask.all() else ("all", "predicted")
        for scope in scopes:
            table = section.per_clip(measure, kind, scope)
            if np.isnan(table).any():
                continue
            mean, low, high = interval_of(table, rng, section.videos)
            initialisations, clips = len(table), len(section.videos)
            lines.append(
                Line(section.mode, kind, measure, scope, initialisations, clips, mean, low, high)
            )
    for measure, kind in _reported(section, section.singles):
        figures = section.per_initialisation(measure, kind, "all")
        if np.isnan(figures).any():
            continue
        student = interval_over_initialisations(figures) if len(figures) > 1 else None
        lines.append(
            Line(
                mode=section.mode,
                predictor=kind,
                measure=measure,
                frames="all",
                initialisations=len(figures),
                clips=len(section.videos),
                mean=float(figures.mean()),
                low=student.low if student else None,
                high=student.high if student else None,
            )
        )
    return lines


def per_frame(section: Section, horizons: Sequence[int], seed: int = 0) -> list[FrameLine]:
    """Returns the curves of a section over the frames of its protocol."""
    rng = np.random.default_rng(seed)
    lines = []
    for measure, kind in _reported(section, section.values):
        table = section.values[measure][section.of_kind(kind)]  # (I, C, T)
        if np.isnan(table).any():
            continue
        for frame, horizon in enumerate(horizons):
            interval = interval_of(table[..., frame], rng, section.videos, FRAME_RESAMPLES)
            seen = bool(section.mask[frame])
            lines.append(FrameLine(section.mode, kind, measure, frame, seen, horizon, *interval))
    return lines


def verdicts(section: Section, seed: int = 0) -> list[Verdict]:
    """Tests the VRNN against every other predictor; none without a VRNN or with one video only."""
    others = [kind for kind in section.kinds() if kind not in (CONTENDER, *REFERENCES)]
    if CONTENDER not in section.kinds() or len(set(section.videos)) < 2:
        return []
    rng = np.random.default_rng(seed)
    found: list[Verdict] = []
    for measure in section.values:
        sign = 1.0 if MEASURES[measure].better == "lower" else -1.0
        own = sign * section.per_clip(measure, CONTENDER, "predicted")
        rows = []
        for other in others:
            result = compare(
                own, sign * section.per_clip(measure, other, "predicted"), rng, section.videos
            )
            gain = result.relative_gain.estimate if result.relative_gain else None
            rows.append((other, result.difference, gain, result.p_value))
        found += _corrected(section, measure, rows, "clips")
    for measure in section.singles:
        rows = []
        for other in others:
            a = section.per_initialisation(measure, CONTENDER, "all")
            b = section.per_initialisation(measure, other, "all")
            if np.isnan([*a, *b]).any() or len(a) < 2 or np.ptp(a) == 0:
                continue
            welch = compare_initialisations(a, b)
            rows.append((other, welch.difference, 1 - float(a.mean() / b.mean()), welch.p_value))
        found += _corrected(section, measure, rows, "initialisations")
    return found


def interval_of(
    table: Values,
    rng: np.random.Generator,
    videos: Sequence[Hashable],
    resamples: int = 10_000,
) -> tuple[float, float | None, float | None]:
    """Returns mean and bounds of values (I, C); no bounds when all clips are of one video."""
    if len(set(videos)) < 2:
        return float(table.mean()), None, None
    interval = interval_over_clips(table, rng, videos, resamples=resamples)
    return interval.estimate, interval.low, interval.high


def _reported(section: Section, values: Mapping[str, Values]) -> Iterator[tuple[str, str]]:
    for measure in MEASURES:
        if measure in values:
            for kind in section.kinds():
                yield measure, kind


def _corrected(
    section: Section,
    measure: str,
    rows: Sequence[tuple[str, Interval, float | None, float]],
    over: Literal["clips", "initialisations"],
) -> list[Verdict]:
    if not rows:
        return []
    corrected = holm([p for *_, p in rows])
    return [
        Verdict(
            mode=section.mode,
            measure=measure,
            predictor=CONTENDER,
            against=other,
            difference=difference.estimate,
            low=difference.low,
            high=difference.high,
            relative_gain=gain,
            p_value=p,
            p_holm=float(p_holm),
            over=over,
            clips=len(section.videos),
            videos=len(set(section.videos)),
        )
        for (other, difference, gain, p), p_holm in zip(rows, corrected, strict=True)
    ]
