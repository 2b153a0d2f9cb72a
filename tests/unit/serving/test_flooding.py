"""The server stops reading from peers that flood it for a while; others are not affected."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from motioncast.serving.call import Call
from motioncast.serving.flooding import (
    BURST_BYTES,
    LEFT_BURST_BYTES,
    LEFT_RATE_BYTES,
    LONGEST_PAUSE_SECONDS,
    RATE_BYTES,
    Flooding,
    Owed,
)
from motioncast.serving.metrics import Metrics
from motioncast.serving.sockets import connected, plain_peer

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's sockets")
MIB = 2**20
MOST = 6  # connections


def test_what_time_and_messages_pay_for_is_not_owed() -> None:
    owed = Owed(0.0)
    for second in range(1, 100):
        owed.add(RATE_BYTES + 10 * MIB, 10 * MIB, float(second))
        assert owed.pause_seconds(0) == 0.0


def test_a_pause_is_as_long_as_what_is_owed_takes_and_then_forgiven() -> None:
    owed = Owed(0.0)
    owed.add(BURST_BYTES, 0, 0.0)
    assert owed.pause_seconds(0) == 0.0
    owed.add(RATE_BYTES // 4, 0, 0.0)
    assert owed.pause_seconds(0) == pytest.approx(4.25)
    owed.add(BURST_BYTES + 6 * RATE_BYTES, 0, 0.0)
    assert owed.pause_seconds(0) == LONGEST_PAUSE_SECONDS
    assert owed.pause_seconds(0) == 0.0


def test_half_a_rate_beyond_the_rate_lasts_as_long_as_the_burst() -> None:
    owed, second = Owed(0.0), 0
    while not owed.pause_seconds(0):
        second += 1
        owed.add(RATE_BYTES * 3 // 2, 0, float(second))
    assert second == BURST_BYTES // (RATE_BYTES // 2) + 1


def test_idle_time_gives_no_credit() -> None:
    owed = Owed(0.0)
    owed.add(0, 0, 3600.0)
    owed.add(BURST_BYTES + 1, 0, 3600.0)
    assert owed.pause_seconds(0) > 0


def test_what_a_call_that_is_served_has_sent_and_nobody_read_is_not_owed() -> None:
    owed = Owed(0.0)
    owed.add(12 * MIB, 0, 0.0)
    assert owed.pause_seconds(served=1) == 0.0
    assert owed.pause_seconds(served=0) > 0.0


def test_what_refused_sessions_leave_behind_is_not_owed() -> None:
    """A client retries every second, each time with 4 MiB of frames in flight."""
    owed = Owed(0.0)
    for second in range(1, 600):
        owed.add(4 * MIB, 0, second - 0.5)  # while a call is served
        assert owed.pause_seconds(served=1) == 0.0
        owed.add(MIB, 0, float(second), ended=1)
        assert owed.pause_seconds(served=0) == 0.0


def test_ended_calls_are_no_way_around_the_bound() -> None:
    """Calls keep ending, and the other traffic exceeds the allowance for them."""
    owed, second, sent = Owed(0.0), 0, 3 * LEFT_RATE_BYTES
    while not owed.pause_seconds(0):
        second += 1
        owed.add(sent, 0, float(second), ended=100)
    beyond = sent - LEFT_RATE_BYTES - RATE_BYTES
    assert second == (LEFT_BURST_BYTES - LEFT_RATE_BYTES + BURST_BYTES) // beyond + 1


def test_calls_that_never_were_served_forgive_nothing() -> None:
    owed = Owed(0.0)
    owed.add(BURST_BYTES + 1, 0, 0.0, ended=0)
    assert owed.pause_seconds(0) > 0.0


@pytest.mark.parametrize(
    ("peer", "plain"),
    [
        ("ipv4:192.0.2.1:5000", "ipv4:192.0.2.1:5000"),
        ("ipv6:%5B2001:db8::1%5D:5000", "ipv6:[2001:db8::1]:5000"),
        ("ipv6:%5B::ffff:192.0.2.1%5D:5000", "ipv4:192.0.2.1:5000"),
    ],
)
def test_one_connection_has_one_name(peer: str, plain: str) -> None:
    assert plain_peer(peer) == plain


class Peers:
    """A server's port, and connections to it with both ends in this process."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._held = [self._listening]

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Returns the client's end and the server's non-blocking end."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        served, _ = self._listening.accept()
        served.setblocking(False)
        self._held += [client, served]
        return client, served

    def close(self) -> None:
        for one in self._held:
            one.close()


@pytest.fixture
def peers() -> Iterator[Peers]:
    peers = Peers()
    yield peers
    peers.close()


def send(client: socket.socket, served: socket.socket, size: int) -> None:
    """Sends bytes that the server reads as they arrive."""
    for _ in range(0, size, 2**14):
        client.sendall(bytes(2**14))
        while served.recv(2**14):
            try:
                served.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                break


@linux
def test_the_kernel_tells_what_came_and_holds_off_what_comes(peers: Peers) -> None:
    client, served = peers.connect()
    send(client, served, 2**15)
    with connected(peers.port) as found:
        (one,) = found
        assert one.name == "ipv4:{}:{}".format(*client.getsockname())
        assert one.received == 2**15
        one.pause()
    client.sendall(b"held off")  # passed loopback once this returns
    with pytest.raises(BlockingIOError):
        served.recv(100)
    served.sendall(b"answer")  # the other direction is open
    assert client.recv(100) == b"answer"
    with connected(peers.port) as found:
        found[0].resume()
    served.settimeout(60)
    assert served.recv(100) == b"held off"


class Watched:
    """Flood protection of the port's connections, with a clock set by the test."""

    def __init__(self, peers: Peers) -> None:
        self.now = 0.0
        self.metrics = Metrics()
        self.flooding = Flooding(lambda: peers.port, self.metrics, MOST, lambda: self.now)

    @property
    def floods(self) -> float | None:
        return self.metrics.registry.get_sample_value("motioncast_floods_total")

    async def message(self, client: socket.socket, size: int) -> None:
        """Simulates a call on a client's connection receiving a message."""

        async def receive() -> bytes | None:
            return bytes(size)

        async def proceed(call: Call) -> None:
            await call.receive()

        nothing: Any = None
        peer = "ipv4:{}:{}".format(*client.getsockname())
        call = Call("service", "Method", "unary", nothing, receive, nothing, peer)
        await self.flooding.count(call, proceed)


def is_read(client: socket.socket, served: socket.socket) -> bool:
    client.sendall(b"x")
    try:
        return served.recv(1) == b"x"
    except BlockingIOError:
        return False


@linux
async def test_the_one_that_floods_is_paused_and_goes_on_afterwards(peers: Peers) -> None:
    watched = Watched(peers)
    flooding, honest = peers.connect(), peers.connect()
    watched.flooding.look()
    send(*flooding, BURST_BYTES + MIB)
    send(*honest, BURST_BYTES + MIB)
    await watched.message(honest[0], BURST_BYTES + MIB)
    watched.flooding.look()
    assert watched.floods == 1
    assert is_read(*honest)
    assert not is_read(*flooding)
    watched.now = LONGEST_PAUSE_SECONDS
    watched.flooding.look()
    flooding[1].settimeout(60)
    assert flooding[1].recv(1) == b"x"
    assert watched.floods == 1


@linux
async def test_a_client_whose_session_failed_while_it_sent_is_read_from(peers: Peers) -> None:
    watched = Watched(peers)
    client, served = peers.connect()
    watched.flooding.look()
    send(client, served, BURST_BYTES + MIB)
    await watched.message(client, 100)  # only the configuration, none of the later messages
    watched.flooding.look()
    assert watched.floods == 0
    assert is_read(client, served)


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True


@linux
async def test_in_a_crowd_those_that_say_nothing_make_room(peers: Peers) -> None:
    watched = Watched(peers)
    silent = [peers.connect() for _ in range(2)]
    calls, speaks = peers.connect(), peers.connect()  # four, more than half of six
    await watched.message(calls[0], 1)
    watched.flooding.look()
    assert all(is_open(client) for client, _ in silent)  # they may just have connected
    speaks[0].sendall(b"PRI * HTTP/2.0")
    watched.flooding.look()
    assert not any(is_open(client) for client, _ in silent)
    assert is_open(calls[0])
    assert is_open(speaks[0])


@linux
async def test_without_a_crowd_nobody_is_hung_up_on(peers: Peers) -> None:
    watched = Watched(peers)
    silent = [peers.connect() for _ in range(3)]
    for _ in range(3):
        watched.flooding.look()
    assert all(is_open(client) for client, _ in silent)
