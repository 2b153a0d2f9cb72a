"""Whose group is made next: one queue for the groups of all sessions, fair to peers and sessions.

    start of a group = max(clock of its session, clock of who was served last)
    clock of its session = start + the seconds that making it took

The smallest start is next: first among peers, whose clocks are the sums of their sessions', then
among the sessions of that peer. This is start-time fair queueing in two levels (Goyal, Vin and
Cheng, SIGCOMM 1996): of two that always have work waiting neither gets ahead of the other by more
than what one group of each takes, however long groups are and however many sessions a peer has.
Who was idle goes on where the others are; nobody saves time up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_LIKE_THE_LAST: Final = 0.25  # how much a group's time counts in what the next is expected to take


@dataclass(slots=True)
class _Clocks:
    """The clocks of some that share; `now` is the start of who was served last."""

    of: dict[str, float] = field(default_factory=dict)
    now: float = 0.0

    def start(self, name: str) -> float:
        return max(self.of.get(name, 0.0), self.now)

    def serve(self, name: str, seconds: float) -> None:
        self.now = self.start(name)
        self.of[name] = self.now + seconds

    def correct(self, name: str, seconds: float) -> None:
        if name in self.of:
            self.of[name] += seconds


@dataclass(slots=True)
class _Peer(Generic[T]):
    clocks: _Clocks = field(default_factory=_Clocks)
    sessions: dict[str, deque[T]] = field(default_factory=dict)  # what waits, of those that serve

    @property
    def waits(self) -> bool:
        return any(self.sessions.values())


class FairQueue(Generic[T]):
    """What waits, by peer and session; the order follows from the time that each has had."""

    def __init__(self) -> None:
        self._clocks = _Clocks()
        self._peers: dict[str, _Peer[T]] = {}

    def __len__(self) -> int:
        return sum(
            len(waiting) for peer in self._peers.values() for waiting in peer.sessions.values()
        )

    def enter(self, peer: str, session: str) -> None:
        """Adds a session, which has nothing waiting yet."""
        self._peers.setdefault(peer, _Peer()).sessions[session] = deque()

    def leave(self, peer: str, session: str) -> None:
        """Forgets a session, and what it has waiting."""
        one = self._peers[peer]
        del one.sessions[session]
        one.clocks.of.pop(session, None)
        if not one.sessions:
            del self._peers[peer]
            self._clocks.of.pop(peer, None)

    def put(self, peer: str, session: str, item: T) -> None:
        """Lets something wait."""
        self._peers[peer].sessions[session].append(item)

    def take(self, seconds: Callable[[str], float]) -> T | None:
        """Returns what is next, and lets it wait no longer; None when nothing waits.

        Args:
            seconds: Returns what an item of a session is expected to take; `settle` corrects it.
        """
        peers = [name for name, one in self._peers.items() if one.waits]
        if not peers:
            return None
        peer = min(peers, key=self._clocks.start)  # of equals who came first
        one = self._peers[peer]
        session = min(
            (name for name, waiting in one.sessions.items() if waiting), key=one.clocks.start
        )
        expected = seconds(session)
        self._clocks.serve(peer, expected)
        one.clocks.serve(session, expected)
        return one.sessions[session].popleft()

    def settle(self, peer: str, session: str, seconds: float) -> None:
        """Adds to the time that a session and its peer have had: what was taken beyond expected."""
        self._clocks.correct(peer, seconds)
        if peer in self._peers:
            self._peers[peer].clocks.correct(session, seconds)

    def remove(self, peer: str, session: str, item: T) -> bool:
        """Takes back what waits; returns whether it did."""
        one = self._peers.get(peer)
        waiting = one.sessions.get(session) if one is not None else None
        if waiting is None or item not in waiting:
            return False
        waiting.remove(item)
        return True


@dataclass(frozen=True, slots=True)
class Ran:
    """How a group's turn went.

    Attributes:
        seconds: That it took.
        crowded: Whether every slot was taken, at its start and at its end.
    """

    seconds: float
    crowded: bool


class Slots:
    """Slots, in which groups are made at once; those beyond wait in a `FairQueue`.

    Args:
        slots: How many.
        clock: Tells the time in seconds.
    """

    def __init__(self, slots: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.slots = slots
        self._clock = clock
        self._busy = 0
        self._queue: FairQueue[asyncio.Future[float]] = FairQueue()
        self._expected: dict[str, float] = {}  # seconds of a group, by session

    @property
    def waiting(self) -> int:
        """How many groups wait."""
        return len(self._queue)

    def enter(self, peer: str, session: str) -> None:
        """Adds a session; `leave` ends its part."""
        self._queue.enter(peer, session)
        self._expected[session] = 0.0

    def leave(self, peer: str, session: str) -> None:
        """Forgets a session."""
        self._queue.leave(peer, session)
        del self._expected[session]

    @asynccontextmanager
    async def turn(
        self, peer: str, session: str, ran: Callable[[Ran], None]
    ) -> AsyncGenerator[None, None]:
        """Waits for a slot; leaving the block passes it on, and tells `ran` what it took."""
        expected = await self._wait(peer, session)
        began, crowded = self._clock(), self._busy == self.slots
        try:
            yield
        except BaseException:
            self._end(peer, session, self._clock() - began - expected)
            raise
        took = Ran(self._clock() - began, crowded and self._busy == self.slots)
        before = self._expected.get(session, 0.0)
        self._expected[session] = before + _LIKE_THE_LAST * (took.seconds - before)
        self._end(peer, session, took.seconds - expected)
        ran(took)

    async def _wait(self, peer: str, session: str) -> float:
        """Returns when there is a slot, with the seconds that its turn was expected to take."""
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._queue.put(peer, session, turn)
        self._next()
        try:
            return await turn
        except asyncio.CancelledError:
            if not self._queue.remove(peer, session, turn) and not turn.cancelled():
                self._end(peer, session, -turn.result())  # its turn had come at that very moment
            raise

    def _end(self, peer: str, session: str, seconds: float) -> None:
        self._queue.settle(peer, session, seconds)
        self._busy -= 1
        self._next()

    def _next(self) -> None:
        while self._busy < self.slots:
            expected = 0.0

            def seconds(session: str) -> float:
                nonlocal expected
                expected = self._expected[session]
                return expected

            turn = self._queue.take(seconds)
            if turn is None:
                return
            if not turn.done():
                self._busy += 1
                turn.set_result(expected)
