"""Decides which group runs next: one queue for all sessions, fair to peers and to sessions.

    start of a group = max(clock of its session, start of the group served last)
    clock of its session = start + seconds that running the group took

The smallest start runs next: first among peers, whose clocks are the sums of their sessions'
clocks, then among that peer's sessions. This is start-time fair queueing in two levels (Goyal, Vin
and Cheng, SIGCOMM 1996): of two that always have work waiting, neither gets ahead of the other by
more than one group of each, however long groups are and however many sessions a peer has. One that
was idle continues level with the others; idle time earns no credit.
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

_LIKE_THE_LAST: Final = 0.25  # weight of the last group in the expected duration of the next


@dataclass(slots=True)
class _Clocks:
    """The clocks of those that share; `now` is the start of the one served last."""

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
    sessions: dict[str, deque[T]] = field(default_factory=dict)  # waiting items, by session

    @property
    def waits(self) -> bool:
        return any(self.sessions.values())


class FairQueue(Generic[T]):
    """Waiting items by peer and session, ordered by the time that each has already used."""

    def __init__(self) -> None:
        self._clocks = _Clocks()
        self._peers: dict[str, _Peer[T]] = {}

    def __len__(self) -> int:
        return sum(
            len(waiting) for peer in self._peers.values() for waiting in peer.sessions.values()
        )

    def enter(self, peer: str, session: str) -> None:
        """Adds a session with nothing waiting."""
        self._peers.setdefault(peer, _Peer()).sessions[session] = deque()

    def leave(self, peer: str, session: str) -> None:
        """Removes a session and its waiting items."""
        one = self._peers[peer]
        del one.sessions[session]
        one.clocks.of.pop(session, None)
        if not one.sessions:
            del self._peers[peer]
            self._clocks.of.pop(peer, None)

    def put(self, peer: str, session: str, item: T) -> None:
        """Adds a waiting item."""
        self._peers[peer].sessions[session].append(item)

    def take(self, seconds: Callable[[str], float]) -> T | None:
        """Removes and returns the next item; None when nothing waits.

        Args:
            seconds: Returns the expected duration of a session's item; `settle` corrects it.
        """
        peers = [name for name, one in self._peers.items() if one.waits]
        if not peers:
            return None
        peer = min(peers, key=self._clocks.start)  # ties go to the one that came first
        one = self._peers[peer]
        session = min(
            (name for name, waiting in one.sessions.items() if waiting), key=one.clocks.start
        )
        expected = seconds(session)
        self._clocks.serve(peer, expected)
        one.clocks.serve(session, expected)
        return one.sessions[session].popleft()

    def settle(self, peer: str, session: str, seconds: float) -> None:
        """Corrects the time used by a session and its peer: actual minus expected seconds."""
        self._clocks.correct(peer, seconds)
        if peer in self._peers:
            self._peers[peer].clocks.correct(session, seconds)

    def remove(self, peer: str, session: str, item: T) -> bool:
        """Withdraws a waiting item; returns whether it was waiting."""
        one = self._peers.get(peer)
        waiting = one.sessions.get(session) if one is not None else None
        if waiting is None or item not in waiting:
            return False
        waiting.remove(item)
        return True


@dataclass(frozen=True, slots=True)
class Ran:
    """The outcome of a group's turn.

    Attributes:
        seconds: Its duration.
        crowded: Whether every slot was taken, both at its start and at its end.
    """

    seconds: float
    crowded: bool


class Slots:
    """Slots in which groups run concurrently; further groups wait in a `FairQueue`.

    Args:
        slots: Number of slots.
        clock: Returns the time in seconds.
    """

    def __init__(self, slots: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.slots = slots
        self._clock = clock
        self._busy = 0
        self._queue: FairQueue[asyncio.Future[float]] = FairQueue()
        self._expected: dict[str, float] = {}  # seconds of a group, by session

    @property
    def waiting(self) -> int:
        """Number of waiting groups."""
        return len(self._queue)

    def enter(self, peer: str, session: str) -> None:
        """Adds a session, until `leave`."""
        self._queue.enter(peer, session)
        self._expected[session] = 0.0

    def leave(self, peer: str, session: str) -> None:
        """Removes a session."""
        self._queue.leave(peer, session)
        del self._expected[session]

    @asynccontextmanager
    async def turn(
        self, peer: str, session: str, ran: Callable[[Ran], None]
    ) -> AsyncGenerator[None, None]:
        """Waits for a slot; leaving the block frees it and reports the turn to `ran`."""
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
        """Waits until a slot is free; returns the expected duration of the turn."""
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._queue.put(peer, session, turn)
        self._next()
        try:
            return await turn
        except asyncio.CancelledError:
            if not self._queue.remove(peer, session, turn) and not turn.cancelled():
                self._end(peer, session, -turn.result())  # its turn came at that very moment
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
