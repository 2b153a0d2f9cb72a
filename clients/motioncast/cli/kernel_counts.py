"""The size of a server's connections on the wire, as counted by the kernel (Linux).

TCP_INFO (tcp(7), linux/tcp.h) has the bytes in each direction and the number of segments:

    on the wire = bytes + segments * (TCP's header + IP's header)

This includes acknowledgements, HTTP/2's own frames, TLS and retransmissions.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_FILES: Final = "/dev/fd"
_INFO_BYTES: Final = 208  # up to tcpi_bytes_sent
_OPTIONS_AT, _RECEIVED_AT, _SEGMENTS_AT, _SENT_AT = 5, 128, 136, 200
_TIME_STAMPS: Final = 1  # TCPI_OPT_TIMESTAMPS
_TCP_HEADER, _STAMP, _IPV4_HEADER, _IPV6_HEADER = 20, 12, 20, 40


@dataclass(frozen=True, slots=True)
class WireBytes:
    """Bytes in IP packets."""

    sent: int
    received: int


class WireCount:
    """Counts this process's connections to a server; they have to be polled while they are open.

    Args:
        target: `host:port` of the server, or several separated by commas.
    """

    def __init__(self, target: str) -> None:
        self._ports = {_port(one) for one in target.split(",")}
        self._seen: dict[tuple[str, int], WireBytes] = {}

    def look(self) -> None:
        """Notes the current counts of the open connections."""
        for one in _sockets():
            with one, suppress(OSError):  # a listening socket, or one that has just closed
                if _is_tcp(one) and one.getpeername()[1] in self._ports:
                    bytes_ = _bytes_of(one)
                    if bytes_ is not None:
                        self._seen[one.getsockname()[:2]] = bytes_

    @property
    def total(self) -> WireBytes | None:
        """The sum over all connections seen; None if this system does not count."""
        if not self._seen:
            return None
        counted = self._seen.values()
        return WireBytes(sum(one.sent for one in counted), sum(one.received for one in counted))


def _port(target: str) -> int:
    last = target.rpartition(":")[2]
    return int(last) if last.isdigit() else -1


def _is_tcp(one: socket.socket) -> bool:
    return one.type == socket.SOCK_STREAM and one.family in (socket.AF_INET, socket.AF_INET6)


def _sockets() -> Iterator[socket.socket]:
    """Yields duplicates of this process's sockets."""
    with suppress(OSError):  # the folder does not exist
        for name in os.listdir(_FILES):
            with suppress(OSError):  # not a socket, or closed in the meantime
                if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    yield socket.socket(fileno=os.dup(int(name)))


def _bytes_of(one: socket.socket) -> WireBytes | None:
    if not hasattr(socket, "TCP_INFO"):
        return None
    info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    if len(info) < _INFO_BYTES:
        return None
    (received,) = struct.unpack_from("Q", info, _RECEIVED_AT)
    segments_out, segments_in = struct.unpack_from("II", info, _SEGMENTS_AT)
    (sent,) = struct.unpack_from("Q", info, _SENT_AT)
    header = _TCP_HEADER + (_STAMP if info[_OPTIONS_AT] & _TIME_STAMPS else 0) + _ip_header(one)
    return WireBytes(sent + header * segments_out, received + header * segments_in)


def _ip_header(one: socket.socket) -> int:
    mapped = one.getpeername()[0].startswith("::ffff:")
    return _IPV4_HEADER if one.family == socket.AF_INET or mapped else _IPV6_HEADER
