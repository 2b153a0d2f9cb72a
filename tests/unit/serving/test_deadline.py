"""Deadlines are points in time, so the remaining time shrinks."""

from __future__ import annotations

from motioncast.serving import Deadline


def test_a_call_without_a_deadline_has_no_end() -> None:
    assert Deadline.after(None).remaining_seconds() is None


def test_what_is_left_shrinks() -> None:
    deadline = Deadline.after(60)
    first, second = deadline.remaining_seconds(), deadline.remaining_seconds()
    assert first is not None
    assert second is not None
    assert second <= first <= 60


def test_nothing_is_left_of_a_deadline_that_has_passed() -> None:
    assert Deadline.after(-1).remaining_seconds() == 0


def test_of_two_deadlines_the_earlier_one_holds() -> None:
    soon, later, never = Deadline(1.0), Deadline(2.0), Deadline()
    assert soon.earlier(later) == later.earlier(soon) == soon
    assert soon.earlier(never) == never.earlier(soon) == soon
    assert never.earlier(never) == never
