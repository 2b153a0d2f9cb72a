"""What the connections to a server took on the wire, as the kernel counted it (Linux).

TCP_INFO (tcp(7), linux/tcp.h) has the bytes that went either way and the segments they went in:

    on the wire = bytes + segments * (TCP's header + IP's header)

Acknowledgements, HTTP/2's own frames, TLS and what was sent again are all among them.
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
    """Bytes of IP packets."""

    sent: int
    received: int


class WireCount:
    """Counts the connections of this process to a server; they are looked at while they are open.

    Args:
        target: `host:port` of the server, or several with commas between them.
    """

    def __init__(self, target: str) -> None:
        self._ports = {_port(one) for one in target.split(",")}
        self._seen: dict[tuple[str, int], WireBytes] = {}

    def look(self) -> None:
        """Notes what has gone over the connections up to now."""
        for one in _sockets():
            with one, suppress(OSError):  # it listens, or has just ended
                if _is_tcp(one) and one.getpeername()[1] in self._ports:
                    bytes_ = _bytes_of(one)
                    if bytes_ is not None:
                        self._seen[one.getsockname()[:2]] = bytes_

    @property
    def total(self) -> WireBytes | None:
        """Of all connections that were seen; None where this system does not count."""
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
    """Yields the sockets of this process, each opened once more."""
    with suppress(OSError):  # no such folder
        for name in os.listdir(_FILES):
            with suppress(OSError):  # no socket, or closed meanwhile
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
