"""Who has a session: so many at once, a share of them for one peer, and none for the silent.

When a newcomer finds no seat, whoever has been silent longest makes way, and first of all one of
the peer that has most. Two seconds of silence are everybody's: a source is on its way so long.
Only a peer that has more seats than the newcomer would have cannot keep them by saying nothing:
until a source has come, it makes way at once.
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

_SHARE: Final = 4  # one peer gets a quarter
_SILENT_SECONDS: Final = 2.0


class Seat:
    """What one session has taken.

    Attributes:
        peer: Whose it is.
        began: Whether its source came; until then it has cost nothing.
    """

    def __init__(self, peer: str, patience: Patience) -> None:
        self.peer = peer
        self.began = False
        self._patience = patience

    def silent_since(self, now: float, *, crowded: bool) -> float | None:
        """Returns when its client fell silent; None when it has not, or not for long enough.

        Args:
            now: The time, on the loop's clock.
            crowded: Whether its peer has more seats than whoever waits would have.
        """
        since = self._patience.silent_since
        if since is None or (now - since < _SILENT_SECONDS and (self.began or not crowded)):
            return None
        return since

    def is_silent(self) -> bool:
        """Returns whether its client has been silent for long enough to make way for others."""
        return self.silent_since(asyncio.get_running_loop().time(), crowded=False) is not None

    def give_way(self) -> None:
        """Ends the session."""
        self._patience.give_way()


class Seats:
    """The sessions that are served now."""

    def __init__(self, settings: OrchestratorSettings) -> None:
        self._most = settings.max_sessions
        self._most_per_peer = settings.max_sessions_per_peer or max(1, self._most // _SHARE)
        self._seats: list[Seat] = []  # without those that make way

    @property
    def taken(self) -> int:
        """How many are taken."""
        return len(self._seats)

    @contextmanager
    def seat(self, peer: str) -> Iterator[Seat]:
        """Takes a seat for a peer from entering the block to leaving it.

        Raises:
            ExhaustedError: There is none, and nobody who is silent.
        """
        name = peer_name(peer)
        same = [one for one in self._seats if one.peer == name]
        if len(same) >= self._most_per_peer:
            self._make_room(
                name,
                same,
                f"sessions: {len(same)} are served for you now, the limit for one peer is"
                f" {self._most_per_peer}",
            )
        elif self.taken >= self._most:
            self._make_room(
                name,
                self._seats,
                f"sessions: {self.taken} are served now, the limit is {self._most}",
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
