from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from motioncast.client import Source
from motioncast.client.latest import Latest, Skipped


def after_the_first(elements: list[Any], sends: Callable[[int], bool]) -> list[Any]:
    """Returns what remains if all elements arrive while the first is being sent."""
    proceed = threading.Event()

    def live() -> Iterator[Any]:
        yield elements[0]
        proceed.wait()
        yield from elements[1:]

    latest = Latest(live(), sends)
    assert next(latest) == elements[0]
    proceed.set()
    latest.join()
    return list(latest)


def test_the_newest_is_kept_and_the_others_leave_their_place() -> None:
    assert after_the_first(list(range(6)), lambda index: True) == [Skipped(4), 5]


def test_the_newest_is_one_that_the_pattern_sends() -> None:
    assert after_the_first(list(range(6)), lambda index: index % 2 == 0) == [
        Skipped(3),
        4,
        Skipped(1),
    ]


def test_a_lost_frame_is_not_the_newest() -> None:
    assert after_the_first([0, 1, 2, None], lambda index: True) == [Skipped(1), 2, Skipped(1)]


def test_further_sources_are_kept() -> None:
    source = Source(np.zeros((4, 4, 3), np.uint8), 1)
    assert after_the_first([0, 1, source, 2], lambda index: True) == [Skipped(1), source, 2]


def test_an_error_of_the_camera_comes_after_its_frames() -> None:
    def broken() -> Iterator[int]:
        yield 0
        raise LookupError("the camera is gone")

    latest = Latest(broken(), lambda index: True)
    assert next(latest) == 0
    with pytest.raises(LookupError, match="the camera is gone"):
        next(latest)


def test_a_stopped_source_is_read_no_further() -> None:
    count = 0

    def endless() -> Iterator[int]:
        nonlocal count
        while True:
            count += 1
            yield count

    latest = Latest(endless(), lambda index: True)
    next(latest)
    latest.stop()
    latest.join()
    before = count
    with pytest.raises(StopIteration):
        next(latest)
    assert count == before
