"""The latest frame of a live source: frames too late to be sent are skipped, not queued.

camera   0 1 2 3 4 5 6 7 8      a thread takes every frame when it arrives
sent     0     3       7        the newest frame that the pattern sends, when there is room
in turn  0 - - 3 - - - 7 -      skipped: lost, and concealed by the server
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from motioncast.client.awaited import Awaited
from motioncast.client.types import Source


@dataclass(frozen=True, slots=True)
class Skipped:
    """Frames of a video that were skipped."""

    count: int


class Latest(Iterator[Any]):
    """Iterates over a live source, with `Skipped` in place of skipped frames.

    Of the waiting frames only the newest is kept. Further sources are all kept.

    Args:
        elements: The live source; read in a thread of its own from the first `next` on.
        sends: Returns whether the pattern sends the frame of an index.
    """

    def __init__(self, elements: Iterable[Any], sends: Callable[[int], bool]) -> None:
        self._elements = iter(elements)
        self._sends = sends
        self._waiting: deque[Any] = deque()  # one frame at most, Skipped and sources around it
        self._failure: Exception | None = None
        self._ended = False
        self._stopped = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def __next__(self) -> Any:
        if self._thread is None:
            self._thread = threading.Thread(target=self._pull, name="motioncast-latest")
            self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended or self._stopped)
            if self._stopped or not self._waiting:
                raise self._failure or StopIteration
            return self._waiting.popleft()

    def stop(self) -> None:
        """Stops reading; a plain iterable finishes the element that it is producing."""
        if isinstance(self._elements, Awaited):
            self._elements.interrupt()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self) -> None:
        """Waits until nothing reads the source any more."""
        if self._thread is not None:
            self._thread.join()

    def _pull(self) -> None:
        index = 0
        try:
            for element in self._elements:
                with self._changed:
                    if self._stopped:
                        return
                    if isinstance(element, Source):
                        self._waiting.append(element)
                    else:
                        self._add(index, element)
                        index += 1
                    self._changed.notify_all()
        except Exception as error:
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _add(self, index: int, frame: Any) -> None:
        if frame is None or not self._sends(index):
            self._skip(1)
            return
        older, self._waiting = self._waiting, deque()
        for element in older:
            if isinstance(element, Source):
                self._waiting.append(element)
            else:
                self._skip(element.count if isinstance(element, Skipped) else 1)
        self._waiting.append(frame)

    def _skip(self, count: int) -> None:
        if self._waiting and isinstance(self._waiting[-1], Skipped):
            count += self._waiting.pop().count
        self._waiting.append(Skipped(count))
