"""Limits traffic other than messages: calls that are cancelled at once, metadata, PINGs.

Normal traffic on a connection is messages, with a little overhead. Everything else (headers of
calls that are cancelled immediately or wait for their turn, metadata, HTTP/2 frames that require a
reply) never reaches Python, and gRPC does not limit it; reading it takes CPU time from all peers.
So the kernel reports how many bytes were received on each connection (TCP_INFO), and

    owed += bytes received - bytes of messages and of started calls - RATE * seconds

The server stops reading from a peer that owes more than BURST for a while (`sockets`): its TCP
slows down and retransmits later. Nothing is lost, and responses are still sent. Works on Linux
only.

A session that is refused, or whose service fails, leaves data that its client had already sent and
that nobody will read. This is not a flood, so some is forgiven per ended call, up to LEFT_RATE.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from motioncast.serving.call import Call, Proceed
from motioncast.serving.metrics import Metrics
from motioncast.serving.places import peer_name
from motioncast.serving.sockets import Connection, connected, plain_peer

RATE_BYTES: Final = 64 * 1024  # per second, other than messages
BURST_BYTES: Final = 256 * 1024
LONGEST_PAUSE_SECONDS: Final = 5.0
CROWDED: Final = 0.5  # share of the connections that a server accepts
_SERVED_BYTES: Final = 16 * 2**20  # per served call: received but not yet read
LEFT_RATE_BYTES: Final = 8 * 2**20  # per second, left unread by ended calls
LEFT_BURST_BYTES: Final = 64 * 2**20
_LOOK_SECONDS: Final = 0.1
_MOST_OF_THE_TIME: Final = 0.1  # share of time that polling may take
_AROUND_A_MESSAGE: Final = 256  # bytes: frames, acknowledgements, TLS
_AROUND_A_CALL: Final = 1024
_TELL_SECONDS: Final = 60.0

_log: Final = logging.getLogger(__name__)


class Owed:
    """How far one peer's traffic other than messages exceeds its budget."""

    def __init__(self, now: float) -> None:
        self._bytes = 0.0
        self._left = 0.0  # that ended calls may have left unread
        self._forgivable = float(LEFT_BURST_BYTES)
        self._at = now
        self.until = -math.inf  # end of its pause

    def add(self, received: int, explained: int, now: float, ended: int = 0) -> None:
        """Counts the traffic since the last call.

        Args:
            received: Bytes received.
            explained: Bytes that belong to messages and to started calls.
            now: The time in seconds.
            ended: Number of served calls that ended.
        """
        seconds = now - self._at
        self._at = now
        self._forgivable = min(LEFT_BURST_BYTES, self._forgivable + LEFT_RATE_BYTES * seconds)
        self._left = min(self._left + ended * _SERVED_BYTES, self._forgivable)
        # Messages read now may have been received before the last poll; that earns no credit.
        owed = max(0.0, self._bytes + received - explained - RATE_BYTES * seconds)
        forgiven = min(owed, self._left)
        self._left -= forgiven
        self._forgivable -= forgiven
        self._bytes = owed - forgiven

    def pause_seconds(self, served: int) -> float:
        """Returns how long to stop reading from the peer, and clears its debt; 0: do not stop.

        Args:
            served: Number of its calls being served.
        """
        if self._bytes <= BURST_BYTES + served * _SERVED_BYTES:
            return 0.0
        seconds = min(self._bytes / RATE_BYTES, LONGEST_PAUSE_SECONDS)
        self._bytes = 0.0
        return seconds


class Flooding:
    """Watches the connections of one server.

    Args:
        port: Returns the port that the server listens on.
        metrics: Where pauses are counted.
        most_connections: Limit of the server's connections. Above the share CROWDED of it,
            connections without any call or traffic are closed, because they lock others out.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        port: Callable[[], int],
        metrics: Metrics,
        most_connections: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._metrics = metrics
        self._crowd = CROWDED * most_connections
        self._clock = clock
        self._called: set[str] = set()  # connections that carried a call
        self._explained: Counter[str] = Counter()  # since the last poll, by peer
        self._served: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()  # since the last poll
        self._owed: dict[str, Owed] = {}
        self._came: dict[str, int] = {}  # bytes received so far, by connection
        self._paused: set[str] = set()  # connections
        self._told = -math.inf
        self._watching: asyncio.Task[None] | None = None

    async def count(self, call: Call, proceed: Proceed) -> None:
        """Lets the call proceed, and counts the bytes of its messages."""
        connection = plain_peer(call.peer)
        peer, served = peer_name(connection), False
        self._called.add(connection)

        async def receive() -> bytes | None:
            nonlocal served
            if not served:  # its turn came, and its handler reads from it
                served = True
                self._served[peer] += 1
                self._explained[peer] += _AROUND_A_CALL
            message = await call.receive()
            if message is not None:
                self._explained[peer] += len(message) + len(message) // 16 + _AROUND_A_MESSAGE
            return message

        async def send(message: bytes) -> None:
            await call.send(message)
            self._explained[peer] += _AROUND_A_MESSAGE

        try:
            await proceed(replace(call, receive=receive, send=send))
        finally:
            self._served[peer] -= served
            self._ended[peer] += served
            if not self._served[peer]:
                del self._served[peer]

    def start(self) -> None:
        """Polls the connections until `stop`."""
        if sys.platform.startswith("linux"):
            self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stops polling; pauses end with their connections."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _watch(self) -> None:
        while True:
            began = time.perf_counter()
            try:
                self.look()
            except OSError as error:  # out of files, or the list cannot be read
                _log.debug("connections could not be inspected: %s", error)
            took = time.perf_counter() - began
            await asyncio.sleep(max(_LOOK_SECONDS, took / _MOST_OF_THE_TIME))

    def look(self) -> None:
        """Polls every connection once, and pauses or resumes peers."""
        now = self._clock()
        received: Counter[str] = Counter()
        connections: dict[str, list[Connection]] = {}
        came: dict[str, int] = {}
        with connected(self._port()) as found:
            for one in found:
                came[one.name] = one.received
                peer = peer_name(one.name)
                received[peer] += one.received - self._came.get(one.name, 0)
                connections.setdefault(peer, []).append(one)
            if len(found) > self._crowd:
                self._make_room(found)
            self._came = came
            self._paused &= came.keys()
            self._called &= came.keys()
            for peer, of_peer in connections.items():
                self._judge(peer, of_peer, received[peer], now)
        self._explained.clear()
        self._ended.clear()
        self._owed = {
            peer: owed
            for peer, owed in self._owed.items()
            if peer in connections or now < owed.until
        }

    def _make_room(self, connections: list[Connection]) -> None:
        """Closes connections without a call that received nothing since the last poll."""
        for one in connections:
            if one.name not in self._called and self._came.get(one.name) == one.received:
                one.hang_up()

    def _judge(self, peer: str, connections: list[Connection], received: int, now: float) -> None:
        owed = self._owed.setdefault(peer, Owed(now))
        owed.add(received, self._explained[peer], now, self._ended[peer])
        if now >= owed.until and (seconds := owed.pause_seconds(self._served[peer])):
            owed.until = now + seconds
            self._metrics.floods.inc()
            if now - self._told > _TELL_SECONDS:
                self._told = now
                _log.warning(
                    "%s exceeds its traffic budget: not reading from it for %.1f s", peer, seconds
                )
        paused = now < owed.until
        for one in connections:
            if paused != (one.name in self._paused):
                one.pause() if paused else one.resume()
                (self._paused.add if paused else self._paused.discard)(one.name)
