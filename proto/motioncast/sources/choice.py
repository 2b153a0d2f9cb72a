"""Chooses a source for every frame, from keypoints alone.

    cost(source) = residual + motion_penalty * motion         (`misfit`)

The cheapest source is taken, with hysteresis: the one in use stays until another is cheaper by a
margin, and no sooner than some frames after the last change. A change is visible, because no two
sources are quite the same picture. What the choice remembers is a value that goes in and comes out,
so that a timeline can be cut and continued anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.sources.similarity import misfit
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints

MAX_SOURCES: Final = 4  # of a session


@dataclass(frozen=True, slots=True)
class ChoiceSettings:
    """How a source is chosen."""

    motion_penalty: float = 0.25  # of the whole's motion, beside the residual
    margin: float = 0.3  # another source is taken when it costs less than 1 - margin of the one
    rest_frames: int = 5  # a source is used for at least so many


DEFAULT_SETTINGS: Final = ChoiceSettings()


@dataclass(frozen=True, slots=True)
class Choice:
    """What a choice remembers: the last frame's source, and for how many frames it was used."""

    source: int
    frames: int


def choose(
    sources: Mapping[int, Keypoints],
    driving: Keypoints,
    before: Choice | None = None,
    weights: Sequence[float] = (),
    settings: ChoiceSettings = DEFAULT_SETTINGS,
) -> tuple[list[int], Choice]:
    """Chooses the source of each of T frames, and returns what to remember for the frames after.

    Args:
        sources: Keypoints (K, 3) of 1 to MAX_SOURCES sources by their index.
        driving: Keypoints (T, K, 3) that the frames are synthesised from, T >= 1.
        before: What was remembered after the frame before; None when there is none.
        weights: Of the K keypoints; empty when all weigh the same.
        settings: How it is chosen.

    Raises:
        InvalidInputError: There is no source, or more than MAX_SOURCES.
    """
    if not 1 <= len(sources) <= MAX_SOURCES:
        raise InvalidInputError.of(
            "sources", f"{len(sources)} sources, but there are 1 to {MAX_SOURCES} to choose from"
        )
    indices = sorted(sources)
    if len(indices) == 1:
        (only,) = indices
        frames = before.frames if before is not None and before.source == only else 0
        return [only] * len(driving), Choice(only, frames + len(driving))
    prices = costs(np.stack([sources[one] for one in indices]), driving, weights, settings)
    chosen: list[int] = []
    for of_frame in prices:
        before = _next(dict(zip(indices, of_frame.tolist(), strict=True)), before, settings)
        chosen.append(before.source)
    assert before is not None  # T >= 1
    return chosen, before


def costs(
    sources: Keypoints,
    driving: Keypoints,
    weights: Sequence[float] = (),
    settings: ChoiceSettings = DEFAULT_SETTINGS,
) -> NDArray[np.float64]:
    """Returns what every source costs at every frame, (T, N), in keypoint units.

    Args:
        sources: (N, K, 3).
        driving: (T, K, 3).
        weights: Of the K keypoints; empty when all weigh the same.
        settings: For the penalty.
    """
    of_keypoints = np.asarray(weights or [1.0] * driving.shape[-2], np.float64)
    fitted = misfit(sources, driving, of_keypoints)
    return fitted.residual + settings.motion_penalty * fitted.motion


def parse_weights(text: str, count: int, field: str = "source_weights") -> tuple[float, ...]:
    """Reads the weights of `count` keypoints, numbers with commas between them; "" has none.

    Raises:
        InvalidInputError: They are not `count` numbers of at least 0, or all are 0.
    """
    if not text.strip():
        return ()
    try:
        weights = tuple(float(number) for number in text.split(","))
    except ValueError:
        raise InvalidInputError.of(field, f"{text!r} is not numbers with commas") from None
    if len(weights) != count:
        raise InvalidInputError.of(
            field, f"{len(weights)} weights, but the model has {count} keypoints"
        )
    if not all(math.isfinite(one) and one >= 0 for one in weights) or not any(weights):
        raise InvalidInputError.of(field, "weights are at least 0, and one is above it")
    return weights


def _next(prices: Mapping[int, float], before: Choice | None, settings: ChoiceSettings) -> Choice:
    """Returns the choice of one frame; of sources that cost the same, the first."""
    cheapest = min(prices, key=lambda source: (prices[source], source))
    if before is None or before.source not in prices:
        return Choice(cheapest, 1)
    kept = Choice(before.source, before.frames + 1)
    if before.frames < settings.rest_frames:
        return kept
    if prices[cheapest] < (1 - settings.margin) * prices[before.source]:
        return Choice(cheapest, 1)
    return kept
