"""A server's connections as the kernel sees them: bytes received on each, and pausing one.

gRPC for Python exposes neither. The connections are found among the process's open files by their
port (Linux). A paused connection has a filter that keeps the header of each packet but none of its
payload (SO_ATTACH_FILTER, socket(7)): acknowledgements are still processed, and dropped payload is
retransmitted.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

_FILES: Final = "/dev/fd"
_ATTACH_FILTER: Final = 26  # socket(7), asm-generic/socket.h
_DETACH_FILTER: Final = 27
# One instruction of classic BPF, `return 1`: keeps one byte of every packet, but never less than
# its header. Acknowledgements are processed, payload is not.
_KEEP_NO_PAYLOAD: Final = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 1), 8)
_TCP_INFO_BYTES: Final = 136  # up to tcpi_bytes_received
_BYTES_RECEIVED_AT: Final = 128  # linux/tcp.h


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of a server.

    Attributes:
        name: Its remote end, in gRPC's format.
        received: Bytes received on it.
    """

    name: str
    received: int
    _socket: socket.socket

    def pause(self) -> None:
        """Drops received payload until `resume`; the sender retransmits it."""
        program = struct.pack("HL", 1, ctypes.addressof(_KEEP_NO_PAYLOAD))
        with suppress(OSError):  # it has just ended, or this system has no filters
            self._socket.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)

    def hang_up(self) -> None:
        """Closes the connection in both directions."""
        with suppress(OSError):  # it has just ended
            self._socket.shutdown(socket.SHUT_RDWR)

    def resume(self) -> None:
        """Accepts payload again."""
        with suppress(OSError):  # it has just ended, or was never paused
            self._socket.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)


@contextmanager
def connected(port: int) -> Iterator[list[Connection]]:
    """Yields the connections to a port of this process; usable only within the block."""
    with ExitStack() as borrowed:
        sockets = (borrowed.enter_context(one) for one in _sockets())
        yield [found for one in sockets if (found := _connection(one, port))]


def _sockets() -> Iterator[socket.socket]:
    """Yields the sockets of this process, each one duplicated.

    While the duplicate is open, its connection cannot be replaced by another, whoever closes it.
    """
    for name in os.listdir(_FILES):
        with suppress(OSError):  # not a socket, or closed meanwhile
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield socket.socket(fileno=os.dup(int(name)))


def _connection(one: socket.socket, port: int) -> Connection | None:
    if one.family not in (socket.AF_INET, socket.AF_INET6) or one.type != socket.SOCK_STREAM:
        return None
    try:
        if one.getsockname()[1] != port:
            return None
        host, its_port = one.getpeername()[:2]
        info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:  # it listens, or has just ended
        return None
    if len(info) < _TCP_INFO_BYTES:
        return None
    (received,) = struct.unpack_from("Q", info, _BYTES_RECEIVED_AT)
    return Connection(_named(one, host, its_port), received, one)


def _named(one: socket.socket, host: str, port: int) -> str:
    version = 4 if one.family == socket.AF_INET else 6
    return plain_peer(f"ipv{version}:{host if version == 4 else f'[{host}]'}:{port}")


def plain_peer(peer: str) -> str:
    """Returns a peer in gRPC's format without escapes, and a mapped IPv4 address as IPv4."""
    mapped, peer = "ipv6:[::ffff:", unquote(peer)
    if peer.startswith(mapped) and "." in peer:
        return "ipv4:" + peer.removeprefix(mapped).replace("]", "", 1)
    return peer
