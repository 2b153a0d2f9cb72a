"""The best source for a frame is chosen and kept until another is better by a margin."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from motioncast.sources import MAX_SOURCES, Choice, ChoiceSettings, choose, costs, parse_weights
from motioncast.wire.errors import InvalidInputError

CLOSED = np.array([[-1, 0, 0], [1, 0, 0], [0, 0.1, 0], [0, -0.1, 0]], np.float32)
OPEN = np.array([[-1, 0, 0], [1, 0, 0], [0, 0.9, 0], [0, -0.9, 0]], np.float32)
BOTH = {0: CLOSED, 1: OPEN}
AT_ONCE = ChoiceSettings(margin=0, rest_frames=0)


def mouth(opening: float) -> NDArray[np.float32]:
    """Returns keypoints that are CLOSED at 0.1 and OPEN at 0.9."""
    return np.array([[-1, 0, 0], [1, 0, 0], [0, opening, 0], [0, -opening, 0]], np.float32)


def mouths(*openings: float) -> NDArray[np.float32]:
    return np.stack([mouth(one) for one in openings])


def test_the_source_nearest_to_each_frame_is_taken() -> None:
    chosen, state = choose(BOTH, mouths(0.1, 0.2, 0.8, 0.9, 0.3), settings=AT_ONCE)
    assert chosen == [0, 0, 1, 1, 0]
    assert state == Choice(0, 1)


def test_a_single_source_is_used_without_a_look() -> None:
    nowhere = np.full((3, 4, 3), np.nan, np.float32)
    assert choose({0: CLOSED}, nowhere) == ([0, 0, 0], Choice(0, 3))


def test_a_head_that_moves_as_a_whole_needs_no_other_source() -> None:
    driving = mouths(0.9, 0.9)
    driving[..., :2] = 0.5 * driving[..., :2] + 0.2
    assert choose(BOTH, driving)[0] == [1, 1]


def test_between_two_alike_the_one_that_has_to_move_less_is_taken() -> None:
    near, far = CLOSED.copy(), CLOSED.copy()
    far[:, :2] += 0.3
    assert choose({0: far, 1: near}, mouths(0.1))[0] == [1]
    cost = costs(np.stack([far, near]), mouths(0.1), settings=ChoiceSettings(motion_penalty=0.5))
    np.testing.assert_allclose(cost, [[0.5 * 0.3 * 2**0.5, 0]], atol=1e-6)


def test_weights_say_what_is_looked_at() -> None:
    smile, blink = CLOSED.copy(), CLOSED.copy()
    smile[2, 1], blink[0, 1] = 0.5, 0.5
    both = smile.copy()
    both[0, 1] = 0.5
    sources = {0: smile, 1: blink}
    assert choose(sources, both[None], weights=[9, 0.5, 0.5, 0.5])[0] == [1]
    assert choose(sources, both[None], weights=[0.5, 0.5, 9, 0.5])[0] == [0]


def test_the_one_in_use_stays_until_another_is_cheaper_by_the_margin() -> None:
    settings = ChoiceSettings(margin=0.3, rest_frames=0)
    opening = np.linspace(0.1, 0.9, 81)
    driving = mouths(*opening.tolist())
    prices = costs(np.stack([CLOSED, OPEN]), driving)
    up, _ = choose(BOTH, driving, settings=settings)
    at = up.index(1)
    assert prices[at, 1] < 0.7 * prices[at, 0]
    assert prices[at - 1, 1] >= 0.7 * prices[at - 1, 0]
    down, _ = choose(BOTH, driving[::-1], settings=settings)
    back = 80 - down.index(0)
    assert back < at  # in between, the current source is kept in both directions


@given(st.lists(st.sampled_from([0.1, 0.45, 0.5, 0.55, 0.9]), min_size=2, max_size=60))
def test_a_source_is_used_for_some_frames_at_least(openings: list[float]) -> None:
    settings = ChoiceSettings(rest_frames=4)
    chosen, _ = choose(BOTH, mouths(*openings), settings=settings)
    changes = [t for t in range(1, len(chosen)) if chosen[t] != chosen[t - 1]]
    assert all(later - earlier >= 4 for earlier, later in pairwise(changes))


@given(
    st.lists(st.floats(0.05, 0.95), min_size=2, max_size=40), st.integers(1, 39), st.integers(0, 9)
)
def test_a_timeline_may_be_cut_anywhere(openings: list[float], cut: int, rest: int) -> None:
    settings, driving = ChoiceSettings(rest_frames=rest), mouths(*openings)
    cut = min(cut, len(openings) - 1)
    whole, end = choose(BOTH, driving, settings=settings)
    first, state = choose(BOTH, driving[:cut], settings=settings)
    second, state = choose(BOTH, driving[cut:], state, settings=settings)
    assert (first + second, state) == (whole, end)


def test_a_source_that_comes_later_is_taken_when_it_is_better() -> None:
    first, state = choose({0: CLOSED}, mouths(*[0.9] * 10))
    then, state = choose({0: CLOSED, 3: OPEN}, mouths(0.9, 0.9), state)
    assert (first, then, state) == ([0] * 10, [3, 3], Choice(3, 2))


def test_when_the_one_in_use_goes_the_best_of_the_others_is_taken() -> None:
    assert choose(BOTH, mouths(0.8), Choice(2, 1)) == ([1], Choice(1, 1))


@pytest.mark.parametrize("count", [0, MAX_SOURCES + 1])
def test_so_many_sources_are_refused(count: int) -> None:
    with pytest.raises(InvalidInputError, match=f"{count} sources, expected 1 to 4"):
        choose(dict.fromkeys(range(count), CLOSED), mouths(0.5))


def test_weights_are_read() -> None:
    assert parse_weights("1, 0,2.5", 3) == (1, 0, 2.5)
    assert parse_weights("", 3) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1,2", "source_weights: 2 weights, but the model has 3 keypoints"),
        ("1,x,2", "source_weights: '1,x,2' is not a list of numbers separated by commas"),
        ("1,-1,2", "source_weights: expected weights of at least 0, one of them above 0"),
        ("1,nan,2", "source_weights: expected weights of at least 0, one of them above 0"),
        ("0,0,0", "source_weights: expected weights of at least 0, one of them above 0"),
    ],
)
def test_weights_that_are_none_are_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_weights(text, 3)
    assert str(refused.value) == problem
