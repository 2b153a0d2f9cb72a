"""Limits sessions: a total, a share of it per peer, and no seat for silent clients.

When a newcomer finds no free seat, the session that has been silent longest is ended, starting with
one of the peer that has the most. Two seconds of silence are allowed to everyone, since sending a
source takes that long. Only a peer that has more seats than the newcomer would have cannot keep
them by staying silent: before its source has arrived, such a session can be ended at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from motioncast.orchestrator.settings import OrchestratorSettings
from motioncast.serving import RETRY_AFTER_SECONDS, Patience, patience, peer_name
from motioncast.wire.errors import ExhaustedError

_SHARE: Final = 4  # one peer gets at most a quarter
_SILENT_SECONDS: Final = 2.0


class Seat:
    """The seat of one session.

    Attributes:
        peer: The peer that owns the session.
        began: Whether its source arrived; until then it has cost nothing.
    """

    def __init__(self, peer: str, patience: Patience) -> None:
        self.peer = peer
        self.began = False
        self._patience = patience

    def silent_since(self, now: float, *, crowded: bool) -> float | None:
        """Returns when its client fell silent; None if it is not silent, or not for long enough.

        Args:
            now: The time, on the loop's clock.
            crowded: Whether its peer has more seats than the peer that waits would have.
        """
        since = self._patience.silent_since
        if since is None or (now - since < _SILENT_SECONDS and (self.began or not crowded)):
            return None
        return since

    def is_silent(self) -> bool:
        """Returns whether its client has been silent for long enough to be replaced."""
        return self.silent_since(asyncio.get_running_loop().time(), crowded=False) is not None

    def give_way(self) -> None:
        """Ends the session."""
        self._patience.give_way()


class Seats:
    """The seats of the sessions being served."""

    def __init__(self, settings: OrchestratorSettings) -> None:
        self._most = settings.max_sessions
        self._most_per_peer = settings.max_sessions_per_peer or max(1, self._most // _SHARE)
        self._seats: list[Seat] = []  # without those being ended

    @property
    def taken(self) -> int:
        """Number of taken seats."""
        return len(self._seats)

    @contextmanager
    def seat(self, peer: str) -> Iterator[Seat]:
        """Takes a seat for a peer from entering the block until leaving it.

        Raises:
            ExhaustedError: No seat is free, and no session is silent.
        """
        name = peer_name(peer)
        same = [one for one in self._seats if one.peer == name]
        if len(same) >= self._most_per_peer:
            self._make_room(
                name,
                same,
                f"sessions: you have {len(same)}, the limit per peer is {self._most_per_peer}",
            )
        elif self.taken >= self._most:
            self._make_room(
                name,
                self._seats,
                f"sessions: {self.taken} are active, the limit is {self._most}",
            )
        seat = Seat(name, patience())
        self._seats.append(seat)
        try:
            yield seat
        finally:
            if seat in self._seats:
                self._seats.remove(seat)

    def _make_room(self, newcomer: str, seats: Sequence[Seat], problem: str) -> None:
        now = asyncio.get_running_loop().time()
        have = Counter(one.peer for one in seats)
        would_have = have[newcomer] + 1
        silent = []
        for number, one in enumerate(seats):
            since = one.silent_since(now, crowded=have[one.peer] > would_have)
            if since is not None:
                silent.append((-have[one.peer], since, number))
        if not silent:
            raise ExhaustedError(problem, retry_after_seconds=RETRY_AFTER_SECONDS)
        longest = seats[min(silent)[2]]
        self._seats.remove(longest)
        longest.give_way()
