"""A video as a camera would give it: each element when it is due, and when it was taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """The elements of a video, none before its time, noting when each is taken.

    Args:
        length: How many there are.
        element: Gives the one of an index, after sources that come before it.
        interval: Seconds between them; 0 gives them as fast as they are asked for.
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
                time.sleep(early)  # in the thread that the client reads videos in
            self.taken.append(time.perf_counter())
            yield from self._element(index)
