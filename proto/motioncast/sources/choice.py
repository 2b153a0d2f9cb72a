"""Chooses a source for every frame, from keypoints alone.

    cost(source) = residual + motion_penalty * motion         (`misfit`)

The cheapest source is used, with hysteresis: the current one stays until another is cheaper by a
margin, and until some frames have passed since the last change. Changes are visible, because no two
sources are exactly the same picture. The state of the choice is a value that is passed in and
returned, so a timeline can be cut and continued anywhere.
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

    motion_penalty: float = 0.25  # weight of the whole's motion relative to the residual
    margin: float = 0.3  # another source is chosen if it costs less than 1 - margin of the current
    rest_frames: int = 5  # the least number of frames that a source is used for


DEFAULT_SETTINGS: Final = ChoiceSettings()


@dataclass(frozen=True, slots=True)
class Choice:
    """The state of a choice: the last frame's source, and for how many frames it was used."""

    source: int
    frames: int


def choose(
    sources: Mapping[int, Keypoints],
    driving: Keypoints,
    before: Choice | None = None,
    weights: Sequence[float] = (),
    settings: ChoiceSettings = DEFAULT_SETTINGS,
) -> tuple[list[int], Choice]:
    """Chooses the source of each of T frames; returns the choices and the state after them.

    Args:
        sources: Keypoints (K, 3) of 1 to MAX_SOURCES sources by their index.
        driving: Keypoints (T, K, 3) that the frames are synthesised from, T >= 1.
        before: The state after the previous frame; None if there is none.
        weights: Weights of the K keypoints; empty if all are equal.
        settings: How a source is chosen.

    Raises:
        InvalidInputError: There is no source, or more than MAX_SOURCES.
    """
    if not 1 <= len(sources) <= MAX_SOURCES:
        raise InvalidInputError.of(
            "sources", f"{len(sources)} sources, expected 1 to {MAX_SOURCES}"
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
    """Returns the cost of every source at every frame, (T, N), in keypoint units.

    Args:
        sources: (N, K, 3).
        driving: (T, K, 3).
        weights: Weights of the K keypoints; empty if all are equal.
        settings: The settings with the motion penalty.
    """
    of_keypoints = np.asarray(weights or [1.0] * driving.shape[-2], np.float64)
    fitted = misfit(sources, driving, of_keypoints)
    return fitted.residual + settings.motion_penalty * fitted.motion


def parse_weights(text: str, count: int, field: str = "source_weights") -> tuple[float, ...]:
    """Parses the weights of `count` keypoints, separated by commas; "" has none.

    Raises:
        InvalidInputError: They are not `count` numbers of at least 0, or all are 0.
    """
    if not text.strip():
        return ()
    try:
        weights = tuple(float(number) for number in text.split(","))
    except ValueError:
        raise InvalidInputError.of(
            field, f"{text!r} is not a list of numbers separated by commas"
        ) from None
    if len(weights) != count:
        raise InvalidInputError.of(
            field, f"{len(weights)} weights, but the model has {count} keypoints"
        )
    if not all(math.isfinite(one) and one >= 0 for one in weights) or not any(weights):
        raise InvalidInputError.of(field, "expected weights of at least 0, one of them above 0")
    return weights


def _next(prices: Mapping[int, float], before: Choice | None, settings: ChoiceSettings) -> Choice:
    """Returns the choice for one frame; among sources of equal cost, the first."""
    cheapest = min(prices, key=lambda source: (prices[source], source))
    if before is None or before.source not in prices:
        return Choice(cheapest, 1)
    kept = Choice(before.source, before.frames + 1)
    if before.frames < settings.rest_frames:
        return kept
    if prices[cheapest] < (1 - settings.margin) * prices[before.source]:
        return Choice(cheapest, 1)
    return kept
