"""A stretch of the timeline has every frame from its start to the horizon's end, once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.predictor.stretch import MAX_STRETCH_FRAMES, lay_out
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints


def keypoints_at(indices: list[int]) -> Keypoints:
    """Keypoints (M, K, 3) that tell their index."""
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
    stretch = lay_out(indices, keypoints_at(indices), horizon, next_index)
    assert stretch.start == (start if with_state else indices[0])
    assert stretch.end == indices[-1] + 1 + horizon
    assert len(stretch.observed) == len(stretch.keypoints) == stretch.end - stretch.start
    observed = (np.flatnonzero(stretch.observed) + stretch.start).tolist()
    assert observed == indices
    np.testing.assert_array_equal(stretch.keypoints[stretch.observed], keypoints_at(indices))
    assert not stretch.keypoints[~stretch.observed].any()


def test_a_horizon_without_observed_frames_starts_at_the_state() -> None:
    stretch = lay_out([], np.empty((0, 2, 3), np.float32), 4, 10)
    assert (stretch.start, stretch.end) == (10, 14)
    assert not stretch.observed.any()


def test_a_stretch_may_be_as_long_as_the_limit_and_no_longer() -> None:
    nothing = np.empty((0, 2, 3), np.float32)
    assert len(lay_out([], nothing, MAX_STRETCH_FRAMES, 0).observed) == MAX_STRETCH_FRAMES
    with pytest.raises(InvalidInputError, match=r"^horizon: the stretch from 0 to 512 has 513 fr"):
        lay_out([], nothing, MAX_STRETCH_FRAMES + 1, 0)


def test_a_far_index_is_refused_before_memory_is_taken() -> None:
    indices = [0, 2**63]
    with pytest.raises(InvalidInputError, match=r"^observed\[1\]\.index: the stretch from 0 to 9"):
        lay_out(indices, keypoints_at(indices), 0, None)
