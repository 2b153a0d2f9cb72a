"""Tests whether the VRNN beats every other predictor: at which horizons, by how much, how surely.

    difference(h) = error of the other - error of the VRNN, h frames after the last observed one

Every initialisation forecasts every window of every clip, free running on its mean path; the
command and its page are in horizons_command.py.

Shapes: I initialisations, C clips, N horizons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from motioncast.data.command_line import first_line
from motioncast.data.keypoints import Tracks
from motioncast.metrics.forecast import Setting, per_clip_errors
from motioncast.paper.entrants import Entrant, EntrantsError
from motioncast.paper.experiment import Values
from motioncast.paper.metrics.statistics import compare, holm
from motioncast.paper.style import look
from motioncast.paper.summary import CONTENDER, interval_of

SURE = 0.05


@dataclass(frozen=True, slots=True)
class HorizonLine:
    """The error of one predictor at one horizon, pixels at 256x256."""

    predictor: str
    horizon: int
    initialisations: int
    clips: int
    mean: float
    low: float | None
    high: float | None
    best_initialisation: float
    worst_initialisation: float
    relative_to_motion: float  # relative to the motion since the last observed frame


@dataclass(frozen=True, slots=True)
class HorizonVerdict:
    """Whether the contender beats another predictor at one horizon."""

    against: str
    horizon: int
    difference: float  # pixels at 256x256, positive if the contender is better
    low: float
    high: float
    relative_gain: float | None
    p_value: float
    p_holm: float  # corrected for the number of horizons
    clips_won: int
    clips: int


@dataclass(frozen=True, slots=True)
class ClipLine:
    """The error of one initialisation on one clip at one horizon, pixels at 256x256."""

    predictor: str
    initialisation: int | None
    clip: str
    horizon: int
    error: float


def clip_errors(
    entrants: Sequence[Entrant], tracks: Tracks, clips: Sequence[int], setting: Setting
) -> dict[str, Values]:
    """Returns the errors (I, C, N) in pixels at 256 of every kind, with a progress bar.

    Raises EntrantsError naming the predictor that cannot forecast these keypoints or horizons.
    """
    keypoints = [tracks.clip(clip) for clip in clips]
    errors: dict[str, list[Values]] = {}
    for entrant in tqdm(entrants, desc="forecasting", unit="predictor"):
        try:
            found = per_clip_errors(entrant.predictor, keypoints, setting)
        except (RuntimeError, ValueError) as error:
            raise EntrantsError(
                f"predictors: {entrant.checkpoint or entrant.name} cannot forecast these"
                f" tracks ({first_line(error)})"
            ) from error
        errors.setdefault(entrant.kind, []).append(found.double().numpy())
    return {kind: np.stack(tables) for kind, tables in errors.items()}


def horizon_lines(errors: Mapping[str, Values], seed: int = 0) -> list[HorizonLine]:
    """Returns every predictor's error at every horizon; that of `hold` is the motion itself."""
    rng = np.random.default_rng(seed)
    motion = errors["hold"].mean(axis=(0, 1))  # (N,)
    lines = []
    for kind, table_ in errors.items():
        for index in range(table_.shape[2]):
            own = table_[..., index]  # (I, C)
            mean, low, high = interval_of(own, rng, range(own.shape[1]))
            each = own.mean(axis=1)
            lines.append(
                HorizonLine(
                    predictor=kind,
                    horizon=index + 1,
                    initialisations=len(own),
                    clips=own.shape[1],
                    mean=mean,
                    low=low,
                    high=high,
                    best_initialisation=float(each.min()),
                    worst_initialisation=float(each.max()),
                    relative_to_motion=mean / float(motion[index]),
                )
            )
    return lines


def horizon_verdicts(errors: Mapping[str, Values], seed: int = 0) -> list[HorizonVerdict]:
    """Tests the VRNN against every other predictor at every horizon; none with one clip."""
    if CONTENDER not in errors or errors[CONTENDER].shape[1] < 2:
        return []
    rng = np.random.default_rng(seed)
    own = errors[CONTENDER]
    verdicts = []
    for kind, other in errors.items():
        if kind == CONTENDER:
            continue
        found = [compare(own[..., h], other[..., h], rng) for h in range(own.shape[2])]
        corrected = holm([result.p_value for result in found])
        for index, (result, p_holm) in enumerate(zip(found, corrected, strict=True)):
            won = own[..., index].mean(axis=0) < other[..., index].mean(axis=0)
            gain = result.relative_gain
            verdicts.append(
                HorizonVerdict(
                    against=kind,
                    horizon=index + 1,
                    difference=result.difference.estimate,
                    low=result.difference.low,
                    high=result.difference.high,
                    relative_gain=None if gain is None else gain.estimate,
                    p_value=result.p_value,
                    p_holm=float(p_holm),
                    clips_won=int(won.sum()),
                    clips=result.clips,
                )
            )
    return verdicts


def verdict_sentence(verdicts: Sequence[HorizonVerdict], against: str) -> str:
    """Returns a sentence naming the horizons at which the VRNN is significantly better."""
    own = [verdict for verdict in verdicts if verdict.against == against]
    sure = [v.horizon for v in own if v.p_holm < SURE]
    lower = [v.horizon for v in own if v.difference > 0]
    gains = [v.relative_gain for v in own if v.relative_gain is not None]
    name = f"{look(CONTENDER).label} against {look(against).label}"
    by = f"; by {min(gains):+.1%} to {max(gains):+.1%} of its error" if gains else ""
    return (
        f"**{name}:** lower error at {_listed(lower, len(own))}, significantly (p < {SURE})"
        f" at {_listed(sure, len(own))}{by}."
    )


def _listed(horizons: Sequence[int], count: int) -> str:
    if not horizons:
        return "no horizon"
    if len(horizons) == count:
        return "every horizon" if count > 1 else "its horizon"
    return f"horizon{'s' if len(horizons) > 1 else ''} {', '.join(map(str, horizons))}"
