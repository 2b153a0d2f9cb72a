"""Seats: which clients get one, and which lose theirs."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest

from motioncast.orchestrator import seats
from motioncast.orchestrator.seats import Seat, Seats
from motioncast.orchestrator.settings import OrchestratorSettings
from motioncast.wire.errors import ExhaustedError


class Waiting:
    """A stand-in for a session's patience: its client's silence, and whether it gave way."""

    def __init__(self, since: float | None) -> None:
        self.silent_since = since
        self.gave_way = False

    def give_way(self) -> None:
        self.gave_way = True


class Room:
    """Seats taken by clients silent since a given time; the time is 100."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, settings: OrchestratorSettings) -> None:
        self._monkeypatch = monkeypatch
        self._seats = Seats(settings)
        self._exits = ExitStack()

    def take(self, peer: str, since: float | None, *, began: bool = False) -> Waiting:
        waiting: Any = Waiting(since)
        self._monkeypatch.setattr(seats, "patience", lambda: waiting)
        clock: Any = type("Clock", (), {"time": lambda _: 100.0})()
        self._monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
        seat: Seat = self._exits.enter_context(self._seats.seat(peer))
        seat.began = began
        taken: Waiting = waiting
        return taken


A, B, C = "ipv4:192.0.2.1:1", "ipv4:192.0.2.2:1", "ipv4:192.0.2.3:1"


def test_the_longest_silent_one_of_the_peer_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch, OrchestratorSettings(max_sessions=8))
    first, second = room.take(A, 97.5), room.take(A, 97.0)
    other = room.take(B, 1.0)
    room.take(A, None)
    assert (first.gave_way, second.gave_way, other.gave_way) == (False, True, False)


def test_who_is_busy_makes_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch, OrchestratorSettings(max_sessions=4))
    room.take(A, None)
    with pytest.raises(ExhaustedError, match="you have 1, the limit per peer"):
        room.take(A, None)


@pytest.mark.parametrize("began", [True, False], ids=["its source has come", "has no source yet"])
def test_who_is_let_in_may_be_silent_for_two_seconds(
    monkeypatch: pytest.MonkeyPatch, began: bool
) -> None:
    room = Room(monkeypatch, OrchestratorSettings(max_sessions=4))
    begun = room.take(A, 98.5, began=began)
    with pytest.raises(ExhaustedError):
        room.take(A, None)
    begun.silent_since = 98.0
    room.take(A, None)
    assert begun.gave_way


def test_when_all_are_taken_the_peer_that_has_most_makes_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room(monkeypatch, OrchestratorSettings(max_sessions=3, max_sessions_per_peer=2))
    lonely = room.take(A, 1.0)
    crowd = [room.take(B, 50.0), room.take(B, 40.0)]
    room.take(C, None)
    assert not lonely.gave_way
    assert [one.gave_way for one in crowd] == [False, True]


def test_honest_clients_do_not_put_one_another_out(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch, OrchestratorSettings(max_sessions=2))
    waiting = [room.take(A, 98.5), room.take(B, 99.5)]  # their sources are still arriving
    with pytest.raises(ExhaustedError, match="2 are active, the limit is 2"):
        room.take(C, None)
    assert not any(one.gave_way for one in waiting)


def test_who_holds_more_places_than_the_newcomer_makes_way_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room(monkeypatch, OrchestratorSettings(max_sessions=3, max_sessions_per_peer=2))
    lonely = room.take(A, 98.5)
    crowd = [room.take(B, 99.9), room.take(B, 99.8)]
    room.take(C, None)
    assert not lonely.gave_way
    assert [one.gave_way for one in crowd] == [False, True]


def test_what_has_begun_is_not_taken_from_a_crowd_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch, OrchestratorSettings(max_sessions=3, max_sessions_per_peer=3))
    for _ in range(3):
        room.take(B, 99.0, began=True)
    with pytest.raises(ExhaustedError):
        room.take(A, None)
