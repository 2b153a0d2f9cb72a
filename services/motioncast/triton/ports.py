"""Selects or checks ports before starting a server that cannot report its own."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from motioncast.wire.addresses import join_address
from motioncast.wire.errors import UnavailableError


def take_ports(host: str, **wanted: int) -> dict[str, int]:
    """Returns a port for each name: the requested one, or a free one for 0. All differ.

    Raises:
        UnavailableError: A port is taken, or the host is not this machine's.
    """
    with ExitStack() as sockets:  # all stay bound until the last is chosen
        return {
            name: _take(host, port, name, sockets)
            for name, port in sorted(wanted.items(), key=lambda item: item[1] == 0)
        }


def _take(host: str, port: int, name: str, sockets: ExitStack) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = sockets.enter_context(socket.socket(family, socket.SOCK_STREAM))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # allows a port that was just closed
    try:
        held.bind((host, port))
        held.listen()
    except OSError as error:
        raise UnavailableError(
            f"{name}: cannot listen on {join_address(host, port)} ({error.strerror}); is it in "
            "use by another server?",
            field=name,
        ) from None
    taken: int = held.getsockname()[1]
    return taken
