"""The kernel's count of a connection is its bytes and the headers of its segments."""

from __future__ import annotations

import socket
import sys

import pytest

from motioncast.cli.kernel_counts import WireBytes, WireCount

HEADERS = 20 + 20 + 12  # IPv4, TCP, its time stamps


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
def test_a_connection_takes_its_bytes_and_headers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        count = WireCount(f"127.0.0.1:{port}")
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted, _ = server.accept()
            with accepted:
                for _ in range(10):  # each is answered before the next, so none share a segment
                    client.sendall(b"a" * 100)
                    accepted.recv(100, socket.MSG_WAITALL)
                    accepted.sendall(b"b" * 7)
                    client.recv(7, socket.MSG_WAITALL)
                count.look()
        counted = count.total
        assert counted is not None
        sent, received = counted.sent - 10 * 100, counted.received - 10 * 7
        # The handshake and ten segments each way, each possibly with its own acknowledgement.
        for headers, fewest in ((sent, 12), (received, 11)):
            assert headers % HEADERS == 0
            assert fewest <= headers // HEADERS <= 2 * fewest


def test_other_connections_do_not_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            other = WireCount(f"127.0.0.1:{port + 1 if port < 65535 else 1}")
            other.look()
    assert other.total is None


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
def test_what_was_seen_still_counts_once_a_connection_has_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        count = WireCount(f"elsewhere:1,127.0.0.1:{port}")
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port)) as client:
                server.accept()[0].close()
                client.recv(1)
                count.look()
            count.look()
    assert isinstance(count.total, WireBytes)
    assert count.total.sent >= 2 * 2 * HEADERS  # SYN and ACK of each
