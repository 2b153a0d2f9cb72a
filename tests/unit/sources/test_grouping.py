"""Frames are grouped by source and put back in order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from motioncast.sources import frames_by_source, in_order


@given(st.lists(st.integers(0, 3), min_size=1, max_size=50), st.integers(1, 8))
def test_every_frame_comes_back_to_its_place(chosen: list[int], run: int) -> None:
    frames = frames_by_source(chosen)
    names = np.array([[source, t] for t, source in enumerate(chosen)])
    parts = [
        names[places[start : start + run]]
        for places in frames.values()
        for start in range(0, len(places), run)
    ]
    for part in parts:
        assert len(set(part[:, 0])) == 1
    np.testing.assert_array_equal(in_order(parts, frames), names)
