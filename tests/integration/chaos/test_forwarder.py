"""The forwarder of `make chaos` forwards, resets and holds real connections."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.forwarder import Forwarder
from chaos.visitors import visit
from support.command_line import serving_process


@pytest.fixture
def echo() -> Iterator[str]:
    """Address of an echo server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(1024):
                        connection.sendall(data)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def called(wire: Forwarder) -> socket.socket:
    host, port = wire.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def test_what_is_sent_comes_back(echo: str) -> None:
    with Forwarder(echo) as wire, called(wire) as caller:
        caller.sendall(b"there and back")
        assert caller.recv(1024) == b"there and back"


def test_a_cut_is_a_reset_and_the_next_connection_is_served(echo: str) -> None:
    with Forwarder(echo) as wire, called(wire) as caller:
        caller.sendall(b"1")
        assert caller.recv(1024) == b"1"
        assert wire.cut() == 1
        with pytest.raises(ConnectionResetError):
            caller.recv(1024)
        with called(wire) as again:
            again.sendall(b"2")
            assert again.recv(1024) == b"2"


def test_nothing_passes_while_it_is_half_open(echo: str) -> None:
    with Forwarder(echo) as wire, called(wire) as caller:
        wire.hold()
        caller.sendall(b"late")
        caller.settimeout(0.5)
        with pytest.raises(TimeoutError):
            caller.recv(1024)
        wire.release()
        caller.settimeout(10)
        assert caller.recv(1024) == b"late"


def test_a_visitor_gets_its_own_frames_through_it(
    toy_repository: Path,
) -> None:
    with serving_process(toy_repository) as (process, addresses):
        with Forwarder(addresses["orchestrator"]) as wire:
            seen = visit(wire.address, 7, random.Random(0), time.monotonic())
            assert (seen.wrong, seen.ended, seen.frames) == ("", "", seen.wanted)
        process.terminate()
