"""An endless video."""

from __future__ import annotations

from collections.abc import Iterator

from motioncast.client import Pixels


class Counted:
    """An endless video that counts the frames read from it."""

    def __init__(self, frame: Pixels) -> None:
        self.frame = frame
        self.read = 0

    def __iter__(self) -> Iterator[Pixels]:
        while True:
            self.read += 1
            yield self.frame
