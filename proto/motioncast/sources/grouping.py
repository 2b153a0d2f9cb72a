"""Groups frames by source, and restores their order: a run of a network has a single source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

S = TypeVar("S", bound=np.generic)


def frames_by_source(chosen: Sequence[int]) -> dict[int, NDArray[np.intp]]:
    """Returns the positions of each source's frames, with sources in order of first use.

    Args:
        chosen: The source of each of T frames.
    """
    sources = np.asarray(chosen)
    return {one: np.flatnonzero(sources == one) for one in dict.fromkeys(chosen)}


def in_order(parts: Sequence[NDArray[S]], frames: Mapping[Any, NDArray[np.intp]]) -> NDArray[S]:
    """Returns the results of the frames, (T, ...), in the frames' order.

    Args:
        parts: For each source in turn, the results of its frames, in one array or several.
        frames: As returned by `frames_by_source`.
    """
    if len(parts) == 1:
        return parts[0]
    made = np.concatenate(parts)
    return made if len(frames) == 1 else made[np.argsort(np.concatenate(list(frames.values())))]
