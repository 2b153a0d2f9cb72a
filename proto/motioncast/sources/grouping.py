"""Frames of one source together, and back in their order: a network has one source in a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

S = TypeVar("S", bound=np.generic)


def frames_by_source(chosen: Sequence[int]) -> dict[int, NDArray[np.intp]]:
    """Returns the places of the frames of each source, by source as first used.

    Args:
        chosen: The source of each of T frames.
    """
    sources = np.asarray(chosen)
    return {one: np.flatnonzero(sources == one) for one in dict.fromkeys(chosen)}


def in_order(parts: Sequence[NDArray[S]], frames: Mapping[Any, NDArray[np.intp]]) -> NDArray[S]:
    """Returns what was made of the frames, (T, ...), in their order.

    Args:
        parts: For each source in turn, what was made of its frames, in one array or several.
        frames: As `frames_by_source` gave them.
    """
    if len(parts) == 1:
        return parts[0]
    made = np.concatenate(parts)
    return made if len(frames) == 1 else made[np.argsort(np.concatenate(list(frames.values())))]
