"""The timeline of a session: which frames are due, and where their keypoints come from.

    index     0 1 2 3 4   5 6 7 8 9   10 ...
    pattern   M = 3, N = 2: the sender supplies the first three of every five frames
    arrived   0 1 2       5   7       10
    origin    O O O P P   O C O P P   O    OBSERVED, PREDICTED, CONCEALED

A sender that left out frames that the pattern expects reports this with the next frame: they are
PREDICTED too.

A frame is due as soon as it has arrived or cannot arrive any more: a later one is here, or the
pattern skips it and expects no missing frame before it. Every frame is due exactly once, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from motioncast.timeline.origin import Origin
from motioncast.timeline.pattern import Pattern

MAX_GAP_FRAMES: Final = 1024  # a jump of more than two of the largest groups is an error, not loss


class TimelineError(Exception):
    """An index or a number of frames is invalid; the text is one sentence.

    Args:
        field: Path of the offending field in a session's messages, for example "index".
        problem: What is wrong with it.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class TooLateError(TimelineError):
    """A frame arrived after a later one, or after it was forecast."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One frame of the timeline that is due."""

    index: int
    origin: Origin


class Timeline:
    """Converts arriving indices to the frames that are due, each exactly once and in order.

    Args:
        pattern: Which frames the sender intends to supply.
        frame_count: Frames of the whole timeline; None when unknown: it then ends with the group
            of the last frame that arrived.
        start: The first frame, for a receiver that joins late, or a resumed session.
        started: Whether any frame arrived before it.
    """

    def __init__(
        self,
        pattern: Pattern,
        frame_count: int | None = None,
        start: int = 0,
        *,
        started: bool = False,
    ) -> None:
        self._pattern = pattern
        self._frame_count = frame_count
        self._last_arrived = start - 1
        self._next_due = start
        self._nothing_seen = not started
        self._skipped = 0  # frames left out on purpose at the end

    def go_on(self) -> Iterator[Slot]:
        """Returns the frames that are due immediately when a timeline is resumed."""
        start = self._next_due
        if not self._nothing_seen:
            self._next_due = self._cut(self._pattern.next_expected(start))
        return self._slots(start, self._next_due, start - 1, 0, nothing_seen=False)

    def arrive(self, index: int, skipped: int = 0) -> Iterator[Slot]:
        """Returns the frames that are due now that frame `index` has arrived, including itself.

        Args:
            index: Index of the frame.
            skipped: How many frames directly before it the sender left out on purpose.

        Raises:
            TooLateError: The index decreases, or the frame was already due.
            TimelineError: The index is past the end, or too far ahead.
        """
        self._check(index)
        start, first = self._next_due, self._nothing_seen
        self._last_arrived, self._nothing_seen = index, False
        self._next_due = self._cut(self._pattern.next_expected(index + 1))
        return self._slots(start, self._next_due, index, skipped, nothing_seen=first)

    def end(self, frame_count: int, skipped: int = 0) -> None:
        """Sets how many frames the timeline has, if that was unknown.

        Args:
            frame_count: Frames of the whole timeline.
            skipped: How many of the last ones the sender left out on purpose.

        Raises:
            TimelineError: A different number was known, or it contradicts the frames that arrived.
        """
        problem = None
        if self._frame_count not in (None, frame_count):
            problem = f"{frame_count} given, but the configuration already sets it"
        elif frame_count <= self._last_arrived:
            problem = f"{frame_count}, but index {self._last_arrived} was sent"
        elif frame_count - 1 - self._last_arrived > MAX_GAP_FRAMES:
            problem = (
                f"{frame_count} leaves out {frame_count - 1 - self._last_arrived} frames,"
                f" the limit is {MAX_GAP_FRAMES}"
            )
        if problem is not None:
            raise TimelineError("end.frame_count", problem)
        self._frame_count, self._skipped = frame_count, skipped

    def close(self) -> Iterator[Slot]:
        """Returns the frames that are still due when nothing more will arrive.

        Raises:
            TimelineError: More frames were declared than can have been lost.
        """
        start, end = self._next_due, self._next_due
        if self._frame_count is not None:
            end = self._frame_count
            if (owed := end - 1 - self._last_arrived) > MAX_GAP_FRAMES:
                raise TimelineError(
                    "config.frame_count",
                    f"{end} frames were declared, but the last {owed} never arrived;"
                    f" the limit is {MAX_GAP_FRAMES}",
                )
        elif not self._nothing_seen:
            end = self._pattern.group_end(self._last_arrived)
        self._next_due = end
        return self._slots(start, end, end, self._skipped, nothing_seen=self._nothing_seen)

    def _check(self, index: int) -> None:
        expected = self._pattern.next_expected(self._next_due)
        if index <= self._last_arrived:
            raise TooLateError(
                "index",
                f"{index} is out of order after {self._last_arrived}; expected {expected} or later",
            )
        if index < self._next_due:
            raise TooLateError(
                "index",
                f"{index} is too late, the pattern skips it and it is already forecast;"
                f" expected {expected} or later",
            )
        if self._frame_count is not None and index >= self._frame_count:
            raise TimelineError(
                "index", f"{index} is past the end, frame_count is {self._frame_count}"
            )
        if index - self._last_arrived > MAX_GAP_FRAMES:
            raise TimelineError(
                "index",
                f"{index} leaves out {index - self._last_arrived - 1} frames,"
                f" the limit is {MAX_GAP_FRAMES - 1}",
            )

    def _cut(self, end: int) -> int:
        return end if self._frame_count is None else min(end, self._frame_count)

    def _slots(
        self, start: int, end: int, arrived: int, skipped: int, *, nothing_seen: bool
    ) -> Iterator[Slot]:
        for index in range(start, end):
            if index == arrived:
                yield Slot(index, Origin.OBSERVED)
            elif index < arrived and (
                nothing_seen or (index < arrived - skipped and self._pattern.expects(index))
            ):
                # Before the first frame nothing can be forecast, whatever the pattern says.
                yield Slot(index, Origin.CONCEALED)
            else:
                yield Slot(index, Origin.PREDICTED)
