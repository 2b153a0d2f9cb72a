"""What both ends of a session's datagrams agree on; docs/datagrams.md is the specification.

the door      StreamConfig.datagrams: port, secret and certificate, told over gRPC
ticket        what the first packet of a connection shows in plain sight
secret        what the connection shows once it is encrypted, on its first stream
datagrams     client: CodedKeypoints; server: Acknowledgement of relay.proto
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from motioncast.v1.motion_transfer_pb2 import DatagramDoor

PROTOCOL: Final = "motioncast-keypoints/1"  # ALPN
SERVER_NAME: Final = "datagrams.motioncast.invalid"  # in the door's certificate; no host
SECRET_BYTES: Final = 32
MAX_CERTIFICATE_BYTES: Final = 1024
MAX_DATAGRAM_BYTES: Final = 1150  # of a message in a datagram: within 1200 of UDP anywhere
CONNECTION_ID_BYTES: Final = 4  # of both ends, in every packet
WELCOME: Final = b"\x01"  # the server's answer to the secret
WRONG_SECRET: Final = 0x4D01  # application error codes of QUIC: no session has the secret
REPLACED: Final = 0x4D02  # another connection of the session took this one's place
OVER: Final = 0x4D03  # the session is over
IPV4_HEADERS: Final = 28  # bytes of UDP and IP around what QUIC sends
IPV6_HEADERS: Final = 48

_TICKET_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Door:
    """Where a session's packets may be sent as datagrams.

    Attributes:
        port: Of UDP.
        secret: 32 bytes, of the session alone.
        certificate: The only one that the connection may be to, DER.
    """

    port: int
    secret: bytes
    certificate: bytes

    def encode(self) -> DatagramDoor:
        """Returns the message."""
        return DatagramDoor(port=self.port, secret=self.secret, certificate=self.certificate)

    @classmethod
    def decode(cls, message: DatagramDoor) -> Door:
        """Returns what a message says; ValueError when that is no door."""
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
        return f"Door(port={self.port})"  # the secret shows in no log


def ticket_of(secret: bytes) -> bytes:
    """Returns what the first packets of a connection show, 16 bytes.

    They are sent before anything is encrypted; the secret cannot be told from it.
    """
    return hashlib.sha256(b"motioncast ticket" + secret).digest()[:_TICKET_BYTES]


@dataclass(slots=True)
class UdpCounts:
    """UDP datagrams of one connection at one end, handshake and acknowledgements included.

    Attributes:
        received, sent: How many.
        received_bytes, sent_bytes: On the wire, with the headers of UDP and IP.
    """

    received: int = 0
    received_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0

    def count_received(self, size: int, headers: int) -> None:
        """Counts one of `size` bytes that came."""
        self.received += 1
        self.received_bytes += size + headers

    def count_sent(self, size: int, headers: int) -> None:
        """Counts one of `size` bytes that left."""
        self.sent += 1
        self.sent_bytes += size + headers


def headers_of(host: str) -> int:
    """Returns the bytes of UDP and IP around each datagram to or from an address."""
    return IPV6_HEADERS if ":" in host and not host.startswith("::ffff:") else IPV4_HEADERS


class CountingTransport(asyncio.DatagramTransport):
    """A transport that counts what one connection sends."""

    def __init__(self, transport: Any, counts: UdpCounts) -> None:
        self._transport = transport
        self._counts = counts

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Sends, and counts."""
        self._counts.count_sent(len(data), headers_of(addr[0]))
        self._transport.sendto(data, addr)
