"""The span of the timeline that a request covers.

next_index ... observed ... gap ... observed | horizon |
|------------------------ span ------------------------|
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from motioncast.timeline.span import Span
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints

MAX_SPAN_FRAMES: Final = 512  # the most observed frames of a call plus the longest horizon
_MAX_INDEX: Final = 2**64 - 1  # the contract's type holds no more


def lay_out(
    indices: Sequence[int], keypoints: Keypoints, horizon: int, next_index: int | None
) -> Span:
    """Returns the span from `next_index` over the observed frames to the horizon's end.

    Args:
        indices: Indices of the observed frames on the timeline.
        keypoints: (M, K, 3), of the observed frames.
        horizon: Number of frames after the last observed one.
        next_index: Start of the span; None starts it at the first observed frame.

    Raises:
        InvalidInputError: Indices do not increase or lie before the start, the start is unknown, or
            the span is longer than MAX_SPAN_FRAMES.
    """
    if next_index is None and not indices:
        raise InvalidInputError.of("observed", "empty; a forecast needs observed frames or a state")
    start = indices[0] if next_index is None else next_index
    for m, index in enumerate(indices):
        if m == 0 and index < start:
            raise InvalidInputError.of(
                "observed[0].index", f"{index} lies before state.next_index, which is {start}"
            )
        if m > 0 and index <= indices[m - 1]:
            raise InvalidInputError.of(
                f"observed[{m}].index", f"{index} does not come after {indices[m - 1]}"
            )
        _check_length(f"observed[{m}].index", start, index + 1)
    end = (indices[-1] + 1 if indices else start) + horizon
    _check_length("horizon", start, end)
    every = np.zeros((end - start, *keypoints.shape[1:]), np.float32)
    observed = np.zeros(end - start, np.bool_)
    offsets = [index - start for index in indices]
    every[offsets] = keypoints
    observed[offsets] = True
    return Span(start, every, observed)


def _check_length(field: str, start: int, end: int) -> None:
    if end - start > MAX_SPAN_FRAMES:
        raise InvalidInputError.of(
            field,
            f"the span from {start} to {end - 1} has {end - start} frames, which exceeds the "
            f"limit of {MAX_SPAN_FRAMES}",
        )
    if end > _MAX_INDEX:
        raise InvalidInputError.of(field, f"index {end} exceeds the limit of {_MAX_INDEX}")
