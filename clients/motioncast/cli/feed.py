"""A video fed at a camera's pace: each element when it is due, recording when it was taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """The elements of a video, none before its time; records when each is taken.

    Args:
        length: Number of frames.
        element: Returns the element at an index, preceded by sources that come before it.
        interval: Seconds between frames; 0 yields them as fast as they are requested.
    """

    def __init__(self, length: int, element: Callable[[int], list[T]], interval: float) -> None:
        self._length = length
        self._element = element
        self._interval = interval
        self.taken: list[float] = []  # seconds of time.perf_counter

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        started = time.perf_counter()
        for index in range(self._length):
            early = started + index * self._interval - time.perf_counter()
            if early > 0:
                time.sleep(early)  # runs in the client's thread that reads videos
            self.taken.append(time.perf_counter())
            yield from self._element(index)
