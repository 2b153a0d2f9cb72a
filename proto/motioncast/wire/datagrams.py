"""What both ends of a session's datagrams share; docs/datagrams.md is the specification.

the door      StreamConfig.datagrams: port, secret and certificate, received over gRPC
ticket        shown unencrypted in the first packet of a connection
secret        shown once the connection is encrypted, on its first stream
datagrams     client: CodedKeypoints; server: Acknowledgement of relay.proto
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from motioncast.v1.motion_transfer_pb2 import DatagramDoor

PROTOCOL: Final = "motioncast-keypoints/1"  # ALPN
SERVER_NAME: Final = "datagrams.motioncast.invalid"  # in the door's certificate; not a real host
SECRET_BYTES: Final = 32
MAX_CERTIFICATE_BYTES: Final = 1024
MAX_DATAGRAM_BYTES: Final = 1150  # of a message: fits into 1200 bytes of UDP on any network
CONNECTION_ID_BYTES: Final = 4  # at both ends, in every packet
WELCOME: Final = b"\x01"  # the server's answer to the secret
WRONG_SECRET: Final = 0x4D01  # application error codes of QUIC: no session has this secret
REPLACED: Final = 0x4D02  # another connection of the session took this one's place
OVER: Final = 0x4D03  # the session is over
IPV4_HEADERS: Final = 28  # bytes of UDP and IP headers around a QUIC packet
IPV6_HEADERS: Final = 48

_TICKET_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Door:
    """The datagram port of a session.

    Attributes:
        port: The UDP port.
        secret: 32 bytes, unique to the session.
        certificate: The only certificate that the connection accepts, DER.
    """

    port: int
    secret: bytes
    certificate: bytes

    def encode(self) -> DatagramDoor:
        """Returns the message."""
        return DatagramDoor(port=self.port, secret=self.secret, certificate=self.certificate)

    @classmethod
    def decode(cls, message: DatagramDoor) -> Door:
        """Returns the door in a message; ValueError if it is invalid."""
        if not 1 <= message.port <= 65535:
            raise ValueError(f"datagrams.port: {message.port}, expected 1 to 65535")
        if len(message.secret) != SECRET_BYTES:
            raise ValueError(f"datagrams.secret: {len(message.secret)} bytes, not {SECRET_BYTES}")
        if not 1 <= len(message.certificate) <= MAX_CERTIFICATE_BYTES:
            raise ValueError(
                f"datagrams.certificate: {len(message.certificate)} bytes,"
                f" expected 1 to {MAX_CERTIFICATE_BYTES}"
            )
        return cls(message.port, message.secret, message.certificate)

    def __repr__(self) -> str:
        return f"Door(port={self.port})"  # keeps the secret out of logs


def ticket_of(secret: bytes) -> bytes:
    """Returns the ticket that the first packets of a connection show, 16 bytes.

    They are sent before anything is encrypted; the secret cannot be derived from it.
    """
    return hashlib.sha256(b"motioncast ticket" + secret).digest()[:_TICKET_BYTES]


@dataclass(slots=True)
class UdpCounts:
    """UDP datagrams of one connection at one end, including handshake and acknowledgements.

    Attributes:
        received, sent: Number of datagrams.
        received_bytes, sent_bytes: Bytes on the wire, with UDP and IP headers.
    """

    received: int = 0
    received_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0

    def count_received(self, size: int, headers: int) -> None:
        """Counts a received datagram of `size` bytes."""
        self.received += 1
        self.received_bytes += size + headers

    def count_sent(self, size: int, headers: int) -> None:
        """Counts a sent datagram of `size` bytes."""
        self.sent += 1
        self.sent_bytes += size + headers


def headers_of(host: str) -> int:
    """Returns the bytes of UDP and IP headers around each datagram to or from an address."""
    return IPV6_HEADERS if ":" in host and not host.startswith("::ffff:") else IPV4_HEADERS


class CountingTransport(asyncio.DatagramTransport):
    """A transport that counts what one connection sends."""

    def __init__(self, transport: Any, counts: UdpCounts) -> None:
        self._transport = transport
        self._counts = counts

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Sends a datagram, and counts it."""
        self._counts.count_sent(len(data), headers_of(addr[0]))
        self._transport.sendto(data, addr)
