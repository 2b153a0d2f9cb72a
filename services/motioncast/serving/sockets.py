"""The connections of a server as the kernel sees them: what came on each, and how to read no more.

gRPC for Python shows neither. They are found among the files of this process by their port (Linux).
What comes is held off by a filter that keeps the header of each packet and none of its payload
(SO_ATTACH_FILTER, socket(7)): acknowledgements still count, and what was dropped comes again.
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
# One instruction of classic BPF, `return 1`: of every packet one byte is kept, and never less than
# its header. Acknowledgements count, payload does not arrive.
_KEEP_NO_PAYLOAD: Final = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 1), 8)
_TCP_INFO_BYTES: Final = 136  # up to tcpi_bytes_received
_BYTES_RECEIVED_AT: Final = 128  # linux/tcp.h


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of a server.

    Attributes:
        name: Of its other end, in gRPC's words.
        received: Bytes that have come on it.
    """

    name: str
    received: int
    _socket: socket.socket

    def pause(self) -> None:
        """Drops the payload of what comes, until `resume`; the sender sends it again."""
        program = struct.pack("HL", 1, ctypes.addressof(_KEEP_NO_PAYLOAD))
        with suppress(OSError):  # it has just ended, or this system has no filters
            self._socket.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)

    def hang_up(self) -> None:
        """Ends it, both ways."""
        with suppress(OSError):  # it has just ended
            self._socket.shutdown(socket.SHUT_RDWR)

    def resume(self) -> None:
        """Takes what comes."""
        with suppress(OSError):  # it has just ended, or was never paused
            self._socket.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)


@contextmanager
def connected(port: int) -> Iterator[list[Connection]]:
    """Yields the connections to a port of this process; they are of use within the block alone."""
    with ExitStack() as borrowed:
        sockets = (borrowed.enter_context(one) for one in _sockets())
        yield [found for one in sockets if (found := _connection(one, port))]


def _sockets() -> Iterator[socket.socket]:
    """Yields the sockets of this process, each opened once more.

    While it is open here, what it is cannot become another connection, whoever closes it.
    """
    for name in os.listdir(_FILES):
        with suppress(OSError):  # no socket, or closed meanwhile
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
    """Returns a peer in gRPC's words without escapes, and as IPv4 where it is that in disguise."""
    mapped, peer = "ipv6:[::ffff:", unquote(peer)
    if peer.startswith(mapped) and "." in peer:
        return "ipv4:" + peer.removeprefix(mapped).replace("]", "", 1)
    return peer
