"""A frame becomes a source if receivers' pictures are poor, within a budget."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.sending.refreshing import Refreshing, RefreshSettings

SETTINGS = RefreshSettings(below_db=25, every_frames=10, rest_frames=20, images=5)


def played(refreshing: Refreshing, psnr: dict[int, tuple[float, int]]) -> dict[int, int]:
    """Returns {frame: source} for the frames that became sources, given PSNR and source in use."""
    became = {}
    for index, (psnr_db, source) in psnr.items():
        if refreshing.due(index) and (one := refreshing.see(index, psnr_db, source)) is not None:
            became[index] = one
    return became


def test_only_poor_pictures_become_sources_and_not_one_after_the_other() -> None:
    seen = {0: (20.0, 0), 5: (20.0, 0), 10: (25.0, 0), 20: (24.0, 0), 30: (25.5, 1), 40: (26.0, 1)}
    assert played(Refreshing(SETTINGS), seen) == {20: 1}
    assert played(Refreshing(SETTINGS), {**seen, 50: (20.0, 1)}) == {20: 1, 50: 2}


def test_a_source_that_did_not_help_makes_the_next_wait_twice_as_long() -> None:
    seen = dict.fromkeys(range(0, 200, 10), (20.0, 0))
    assert list(played(Refreshing(SETTINGS), seen)) == [10, 50, 130]  # 40 and 80 later


def test_the_source_that_was_used_least_lately_is_replaced_and_never_the_first() -> None:
    refreshing = Refreshing(SETTINGS)
    became = [refreshing.see(index, 20.0, 0) for index in (100, 200, 300)]
    assert became == [1, 2, 3]
    refreshing.see(350, 30.0, 1)
    assert refreshing.see(500, 20.0, 3) == 2


def test_nothing_is_looked_at_once_the_bytes_are_spent() -> None:
    refreshing = Refreshing(RefreshSettings(total_bytes=5000))
    assert refreshing.see(12, 20.0, 0) == 1
    refreshing.sent(5000)
    assert not refreshing.due(500)
    assert (refreshing.images, refreshing.bytes) == (1, 5000)


@given(st.lists(st.tuples(st.floats(5, 50), st.integers(0, 3)), max_size=200))
def test_whatever_comes_the_bounds_hold(seen: list[tuple[float, int]]) -> None:
    refreshing = Refreshing(SETTINGS)
    became = played(refreshing, dict(enumerate(seen)))
    assert len(became) <= 5
    assert set(became.values()) <= {1, 2, 3}
    indices = list(became)
    assert all(b - a >= 20 for a, b in pairwise(indices))


@pytest.mark.parametrize("wrong", [{"below_db": 0}, {"sources": 1}, {"sources": 5}, {"images": -1}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        RefreshSettings(**wrong)
