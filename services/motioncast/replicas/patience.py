"""Decides when a running call counts as slow: it takes too long, or later calls overtake it.

    silent       its replica has answered no earlier call of its kind for twice as long as the
                 slowest recent call took
    overtaken    three calls of its kind that began later have been answered meanwhile, or its
                 replica is slow with another one
    lost         it takes four times as long as the slowest recent call
    given up     its replica does not answer even the question whether it is alive (pulse.py)

Under load every call takes longer, but a replica that works answers calls about in the order in
which they came. So being overtaken tells a call that hangs, or was lost, from one that waits its
turn. Kinds must be comparable: say, calls of one model and of about the same size.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

_SILENT: Final = 2.0  # times the slowest recent call
_LOST: Final = 4.0  # times the slowest recent call
_OVERTAKEN: Final = 3  # later calls of its kind that were answered
_REMEMBERED: Final = 100  # calls
Party = TypeVar("Party")  # a replica


@dataclass(eq=False)
class Running(Generic[Party]):
    """A call to one replica that is not answered yet."""

    replica: Party
    kind: Hashable
    at: float  # when it began, in seconds
    silent_since: float  # when it began, or its replica last answered an earlier one of its kind
    passed: int = 0  # later calls of its kind that were answered since
    overtaken: bool = False
    given_up: bool = False  # its replica does not answer, or cannot serve calls of the kind
    news: asyncio.Event = field(default_factory=asyncio.Event)  # when one of the two has changed


class Patience(Generic[Party]):
    """The calls that are running at the replicas of one service, and how long recent ones took.

    Args:
        least_seconds: No call counts as slow before this.
        clock: Returns the time in seconds.
    """

    def __init__(self, least_seconds: float, clock: Callable[[], float]) -> None:
        self._least_seconds = least_seconds
        self._clock = clock
        self._took: deque[float] = deque(maxlen=_REMEMBERED)
        self._running: set[Running[Party]] = set()

    def seconds(self) -> float:
        """Returns after how long a replica counts as silent even if no call is overtaken."""
        return max(self._least_seconds, _SILENT * max(self._took, default=0.0))

    def load(self, replica: Party) -> int:
        """Returns how many calls a replica has not answered yet."""
        return sum(one.replica is replica for one in self._running)

    def waits(self, replica: Party, kind: Hashable) -> bool:
        """Returns whether a replica has not answered a call of a kind yet."""
        return any(one.replica is replica and one.kind == kind for one in self._running)

    def begin(self, replica: Party, kind: Hashable) -> Running[Party]:
        """Notes that a call of some kind has begun; `end` must follow."""
        now = self._clock()
        call = Running(replica, kind, now, now)
        self._running.add(call)
        return call

    def end(self, call: Running[Party], *, answered: bool = False) -> None:
        """Notes that a call is over, and whether with a response."""
        self._running.discard(call)
        if not answered:
            return
        # Only its own time: a replica that hung must not extend the wait for the next.
        now = self._clock()
        self._took.append(now - call.at)
        for other in self._running:
            if other.kind != call.kind:
                continue
            if other.at < call.at:
                other.passed += 1
                if other.passed >= _OVERTAKEN:
                    other.overtaken = True
                    other.news.set()
            elif other.replica is call.replica:
                other.silent_since, other.passed = now, 0
                other.overtaken = other.given_up = False

    def hurry(self, replica: Party, kind: Hashable) -> None:
        """Lets a replica's other calls of a kind count as overtaken: one of them was slow."""
        for one in self._running:
            if one.replica is replica and one.kind == kind:
                one.overtaken = True
                one.news.set()

    def give_up(self, replica: Party, kind: Hashable) -> None:
        """Lets a replica's calls of a kind count as slow at once."""
        for one in self._running:
            if one.replica is replica and one.kind == kind:
                one.given_up = True
                one.news.set()

    async def wait(
        self, tasks: Collection[asyncio.Task[Any]], newest: Running[Party]
    ) -> set[asyncio.Task[Any]]:
        """Returns those of the tasks that are done, or none once the newest call is slow."""
        while True:
            newest.news.clear()
            news = asyncio.create_task(newest.news.wait())
            seconds = max(0.0, self._late(newest) - self._clock())
            try:
                done, _ = await asyncio.wait(
                    {*tasks, news}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                news.cancel()
            done.discard(news)
            if done or self._clock() >= self._late(newest):
                return done

    def _late(self, call: Running[Party]) -> float:
        """Returns when a running call counts as slow, as far as is known now."""
        if call.given_up:
            return call.at
        lost = call.at + _LOST / _SILENT * self.seconds()
        silence = self._least_seconds if call.overtaken else self.seconds()
        return min(lost, call.silent_since + silence)
