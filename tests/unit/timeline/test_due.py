"""Which frames are due, when, and with what origin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motioncast.timeline.due import (
    MAX_GAP_FRAMES,
    Slot,
    Timeline,
    TimelineError,
    TooLateError,
)
from motioncast.timeline.origin import Origin
from motioncast.timeline.pattern import Pattern

LETTERS = {Origin.OBSERVED: "O", Origin.PREDICTED: "P", Origin.CONCEALED: "C"}


def letters(slots: list[Slot]) -> str:
    return "".join(LETTERS[slot.origin] for slot in slots)


def play(pattern: Pattern, arrivals: list[int], frame_count: int | None = None) -> list[Slot]:
    """Returns the whole timeline of a session."""
    timeline = Timeline(pattern, frame_count)
    slots = [slot for index in arrivals for slot in timeline.arrive(index)]
    return slots + list(timeline.close())


@st.composite
def sessions(draw: st.DrawFn) -> tuple[Pattern, list[int], int | None]:
    """Generates any pattern with any losses among its sent frames, with and without a count."""
    pattern = Pattern(draw(st.integers(1, 9)), draw(st.integers(0, 9)))
    count = draw(st.integers(1, 80))
    sent = [index for index in range(count) if pattern.expects(index)]
    lost = draw(st.sets(st.sampled_from(sent)))
    arrivals = [index for index in sent if index not in lost]
    return pattern, arrivals, draw(st.sampled_from([count, None]))


@given(sessions())
def test_every_frame_is_due_exactly_once_and_in_order(
    session: tuple[Pattern, list[int], int | None],
) -> None:
    pattern, arrivals, frame_count = session
    slots = play(pattern, arrivals, frame_count)
    end = frame_count
    if end is None:
        end = pattern.group_end(arrivals[-1]) if arrivals else 0
    assert [slot.index for slot in slots] == list(range(end))


@given(sessions())
def test_the_origin_says_who_supplied_the_keypoints(
    session: tuple[Pattern, list[int], int | None],
) -> None:
    pattern, arrivals, frame_count = session
    first = arrivals[0] if arrivals else float("inf")
    for slot in play(pattern, arrivals, frame_count):
        if slot.index in arrivals:
            expected = Origin.OBSERVED
        elif slot.index < first or pattern.expects(slot.index):
            expected = Origin.CONCEALED
        else:
            expected = Origin.PREDICTED
        assert slot.origin is expected


@given(sessions())
def test_nothing_waits_once_it_is_sure(session: tuple[Pattern, list[int], int | None]) -> None:
    pattern, arrivals, frame_count = session
    timeline = Timeline(pattern, frame_count)
    for index in arrivals:
        due = list(timeline.arrive(index))
        following = due[-1].index + 1
        assert index in [slot.index for slot in due]
        assert following == frame_count or pattern.expects(following)


def test_five_observed_then_five_predicted() -> None:
    assert letters(play(Pattern(5, 5), [0, 1, 2, 3, 4])) == "OOOOOPPPPP"


def test_the_patterns_of_the_paper() -> None:
    assert letters(play(Pattern(5, 27), list(range(5)))) == "O" * 5 + "P" * 27  # M1
    assert letters(play(Pattern(1, 1), [0, 2, 4])) == "OPOPOP"  # M2


def test_without_prediction_nothing_is_due_but_what_arrives() -> None:
    timeline = Timeline(Pattern(1, 0))
    assert [letters(list(timeline.arrive(index))) for index in range(3)] == ["O", "O", "O"]
    assert list(timeline.close()) == []


def test_predicted_frames_are_due_with_the_last_observed_one_of_their_group() -> None:
    timeline = Timeline(Pattern(2, 2))
    assert letters(list(timeline.arrive(0))) == "O"
    assert letters(list(timeline.arrive(1))) == "OPP"


def test_a_lost_frame_is_concealed() -> None:
    assert letters(play(Pattern(3, 2), [0, 1, 2, 5, 7, 10])) == "OOOPPOCOPPOCCPP"


def test_a_frame_that_the_pattern_skips_is_observed_while_it_is_not_due() -> None:
    assert letters(play(Pattern(2, 2), [0, 2])) == "OCOP"


def test_nothing_is_forecast_before_the_first_frame() -> None:
    assert letters(play(Pattern(1, 1), [4])) == "CCCCOP"
    assert letters(play(Pattern(1, 1), [], frame_count=3)) == "CCC"


def test_the_declared_number_of_frames_cuts_the_last_group() -> None:
    assert letters(play(Pattern(5, 5), [0, 1, 2, 3, 4], frame_count=7)) == "OOOOOPP"
    assert letters(play(Pattern(5, 5), [0, 1], frame_count=4)) == "OOCC"


@given(sessions())
def test_a_timeline_that_is_told_its_end_late_has_as_many_frames(
    session: tuple[Pattern, list[int], int | None],
) -> None:
    pattern, arrivals, _ = session
    count = (arrivals[-1] if arrivals else 0) + 5
    timeline = Timeline(pattern)
    slots = [slot for index in arrivals for slot in timeline.arrive(index)]
    due = len(slots)
    timeline.end(count)
    slots += timeline.close()
    assert [slot.index for slot in slots] == list(range(max(count, due)))
    assert slots[:count] == play(pattern, arrivals, count)


@pytest.mark.parametrize(
    ("count", "problem"),
    [
        (3, "end.frame_count: 3, but index 3 was sent"),
        (1029, "end.frame_count: 1029 leaves out 1025 frames, the limit is 1024"),
    ],
)
def test_an_end_that_cannot_follow_is_refused(count: int, problem: str) -> None:
    timeline = Timeline(Pattern(1, 0))
    timeline.arrive(3)
    with pytest.raises(TimelineError, match=f"^{problem}$"):
        timeline.end(count)
    timeline.end(1028)


def test_an_end_is_the_configurations() -> None:
    timeline = Timeline(Pattern(1, 0), 7)
    timeline.end(7)
    with pytest.raises(TimelineError, match="8 given, but the configuration"):
        timeline.end(8)


def test_what_was_left_out_on_purpose_is_predicted_and_what_is_missing_before_concealed() -> None:
    timeline = Timeline(Pattern(1, 0))
    slots = [*timeline.arrive(0), *timeline.arrive(6, skipped=3), *timeline.arrive(8)]
    assert letters(slots) == "OCCPPPOCO"
    timeline.end(12, skipped=2)
    assert letters(list(timeline.close())) == "CPP"


def test_frames_before_the_first_are_concealed_though_they_were_left_out() -> None:
    assert letters([*Timeline(Pattern(1, 0)).arrive(2, skipped=2)]) == "CCO"


def test_an_unknown_number_of_frames_ends_with_the_group() -> None:
    assert letters(play(Pattern(5, 5), [0, 1])) == "OOCCCPPPPP"


def test_an_index_may_not_go_back() -> None:
    timeline = Timeline(Pattern(3, 0))
    timeline.arrive(0)
    timeline.arrive(1)
    with pytest.raises(TooLateError, match="index: 1 is out of order after 1; expected 2"):
        timeline.arrive(1)


def test_a_frame_that_was_forecast_already_comes_too_late() -> None:
    timeline = Timeline(Pattern(2, 2))
    timeline.arrive(0)
    timeline.arrive(1)
    with pytest.raises(TooLateError, match=r"index: 3 is too late.*expected 4 or later"):
        timeline.arrive(3)


def test_an_index_past_the_end_is_refused() -> None:
    with pytest.raises(TimelineError, match="index: 7 is past the end, frame_count is 7"):
        Timeline(Pattern(5, 5), 7).arrive(7)


def test_a_jump_is_bounded() -> None:
    Timeline(Pattern(1, 0)).arrive(MAX_GAP_FRAMES - 1)
    with pytest.raises(TimelineError, match="index: 1024 leaves out 1024 frames"):
        Timeline(Pattern(1, 0)).arrive(MAX_GAP_FRAMES)


def test_a_refused_frame_changes_nothing() -> None:
    timeline = Timeline(Pattern(1, 1))
    timeline.arrive(0)
    with pytest.raises(TooLateError):
        timeline.arrive(1)
    assert letters(list(timeline.arrive(2))) == "OP"
