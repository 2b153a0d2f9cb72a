"""The rooms of one relay: limited in total and per peer, found by name and token."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from motioncast.relay.room import Room
from motioncast.relay.settings import RelaySettings
from motioncast.relay.watcher import Watcher
from motioncast.serving import Places
from motioncast.v1.relay_pb2 import JoinRoom, RoomOpening
from motioncast.wire.errors import UnavailableError, UnknownRoomError

_RETRY_SECONDS = 1.0


class Rooms:
    """The open rooms.

    Args:
        settings: Their limits.
    """

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self._rooms: dict[str, Room] = {}
        self._places = Places("rooms", settings.max_rooms)
        self._watching = Places("watchers", settings.max_all_watchers)
        self._draining = False

    @contextmanager
    def open(self, opening: RoomOpening, peer: str) -> Iterator[Room]:
        """Opens a room from entering the block until leaving it; its watchers are then told.

        Raises:
            ExhaustedError: The limit of rooms is reached, in total or for the peer.
            UnavailableError: The server is shutting down.
        """
        if self._draining:
            raise _shutting_down()
        with self._places.one_for(peer):
            settings = self._settings
            room = Room(opening, settings.max_watchers, settings.max_waiting_packets)
            self._rooms[room.name] = room
            try:
                yield room
            finally:
                del self._rooms[room.name]
                room.lose()

    @contextmanager
    def watch(self, join: JoinRoom, peer: str) -> Iterator[tuple[Room, Watcher]]:
        """Adds a peer as a watcher of a room from entering the block until leaving it.

        Raises:
            UnknownRoomError: There is no room of that name, or it has another token; callers cannot
                tell which.
            ExhaustedError: The limit of watchers is reached.
        """
        room = self._rooms.get(join.name)
        token = "" if room is None else room.token
        matches = secrets.compare_digest(join.watch_token.encode(), token.encode())
        if room is None or not matches:
            raise UnknownRoomError(
                "join: there is no such room, or the token does not match", field="join"
            )
        with self._watching.one_for(peer), room.watcher() as watcher:
            yield room, watcher

    def drain(self) -> None:
        """Closes every room, because the server is shutting down."""
        self._draining = True
        for room in self._rooms.values():
            room.fail(_shutting_down())


def _shutting_down() -> UnavailableError:
    return UnavailableError(
        "server: shutting down; another replica may answer", retry_after_seconds=_RETRY_SECONDS
    )
