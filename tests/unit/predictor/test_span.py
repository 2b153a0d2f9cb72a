"""A span of the timeline has every frame from its start to the end of the horizon, once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.predictor.span import MAX_SPAN_FRAMES, lay_out
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints


def keypoints_at(indices: list[int]) -> Keypoints:
    """Returns keypoints (M, K, 3) that encode their index."""
    return np.array([[[index % 97, 1, 2]] for index in indices], np.float32).reshape(-1, 1, 3)


@given(
    start=st.integers(0, 10**12),
    offsets=st.sets(st.integers(0, 200), min_size=1),
    horizon=st.integers(0, 256),
    with_state=st.booleans(),
)
def test_every_frame_stands_where_its_index_says(
    start: int, offsets: set[int], horizon: int, with_state: bool
) -> None:
    indices = [start + offset for offset in sorted(offsets)]
    next_index = start if with_state else None
    span = lay_out(indices, keypoints_at(indices), horizon, next_index)
    assert span.start == (start if with_state else indices[0])
    assert span.end == indices[-1] + 1 + horizon
    assert len(span.observed) == len(span.keypoints) == span.end - span.start
    observed = (np.flatnonzero(span.observed) + span.start).tolist()
    assert observed == indices
    np.testing.assert_array_equal(span.keypoints[span.observed], keypoints_at(indices))
    assert not span.keypoints[~span.observed].any()


def test_a_horizon_without_observed_frames_starts_at_the_state() -> None:
    span = lay_out([], np.empty((0, 2, 3), np.float32), 4, 10)
    assert (span.start, span.end) == (10, 14)
    assert not span.observed.any()


def test_a_span_may_be_as_long_as_the_limit_and_no_longer() -> None:
    nothing = np.empty((0, 2, 3), np.float32)
    assert len(lay_out([], nothing, MAX_SPAN_FRAMES, 0).observed) == MAX_SPAN_FRAMES
    with pytest.raises(InvalidInputError, match=r"^horizon: the span from 0 to 512 has 513 fr"):
        lay_out([], nothing, MAX_SPAN_FRAMES + 1, 0)


def test_a_far_index_is_refused_before_memory_is_taken() -> None:
    indices = [0, 2**63]
    with pytest.raises(InvalidInputError, match=r"^observed\[1\]\.index: the span from 0 to 9"):
        lay_out(indices, keypoints_at(indices), 0, None)
