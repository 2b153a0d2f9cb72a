"""The pattern of M observed frames, then N predicted ones: notation and rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.timeline.pattern import MAX_GROUP_FRAMES, Pattern, PatternError

COUNTS = st.integers(1, MAX_GROUP_FRAMES), st.integers(0, MAX_GROUP_FRAMES)


@given(*COUNTS)
def test_a_pattern_reads_back_as_it_is_written(observed: int, predicted: int) -> None:
    assert Pattern.parse(str(Pattern(observed, predicted))) == Pattern(observed, predicted)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "5",
        "5:",
        "0:3",
        "a:b",
        "-1:1",
        "1:1:1",
        " 1:1",
        "1:1\n",
        "257:0",
        "1:257",
        "\u0665:\u0665",
    ],
)
def test_what_no_session_could_have_is_refused(text: str) -> None:
    with pytest.raises(PatternError, match=r"^--pattern: .* is not M:N with M of 1 to 256 and N"):
        Pattern.parse(text)


def test_a_text_of_any_length_is_refused_with_a_short_sentence() -> None:
    with pytest.raises(PatternError) as refused:
        Pattern.parse("9" * 100_000 + ":1", "pattern")
    assert str(refused.value).startswith("pattern: '999")
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(("observed", "predicted"), [(0, 1), (-1, 1), (1, -1), (0, 0)])
def test_a_pattern_observes_at_least_one_frame(observed: int, predicted: int) -> None:
    with pytest.raises(PatternError, match=f"^pattern: {observed}:{predicted} "):
        Pattern(observed, predicted)


def test_the_mask_is_the_pattern_over_and_over_cut_at_the_last_frame() -> None:
    assert Pattern(2, 3).mask(8) == [True, True, False, False, False, True, True, False]
    assert Pattern(3, 0).mask(4) == [True] * 4


@pytest.mark.parametrize(
    ("index", "latest"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 2), (5, 5), (9, 7)]
)
def test_the_latest_expected_frame_under_3_2(index: int, latest: int) -> None:
    assert Pattern(3, 2).latest_expected(index) == latest


@given(*COUNTS, st.integers(0, 10_000))
def test_the_next_and_the_latest_expected_frame_are_the_nearest_ones(
    observed: int, predicted: int, index: int
) -> None:
    pattern = Pattern(observed, predicted)
    following, latest = pattern.next_expected(index), pattern.latest_expected(index)
    assert pattern.expects(following)
    assert pattern.expects(latest)
    assert not any(map(pattern.expects, range(index, following)))
    assert not any(map(pattern.expects, range(latest + 1, index + 1)))
