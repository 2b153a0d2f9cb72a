"""A bare QUIC client on aioquic's own `connect`, for what our client never does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (
    ConnectionTerminated,
    DatagramFrameReceived,
    QuicEvent,
    StreamDataReceived,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


class Raw(QuicConnectionProtocol):
    """Keeps what comes.

    Attributes:
        answer: What came on the first stream.
        datagrams: What came as such.
        ended: Code and reason of the end, once there is one.
        news: Set with each of them.
    """

    answer = b""
    ended: tuple[int, str] | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        """Keeps it."""
        if isinstance(event, StreamDataReceived):
            self.answer += event.data
        elif isinstance(event, DatagramFrameReceived):
            self.datagrams.append(event.data)
        elif isinstance(event, ConnectionTerminated):
            self.ended = event.error_code, event.reason_phrase
        else:
            return
        self.news.set()

    @property
    def news(self) -> asyncio.Event:
        """Set with whatever comes."""
        event: asyncio.Event = self.__dict__.setdefault("_news", asyncio.Event())
        return event

    @property
    def datagrams(self) -> list[bytes]:
        """What came as datagrams."""
        found: list[bytes] = self.__dict__.setdefault("_found", [])
        return found

    async def until(self, seconds: float = 60.0) -> None:
        """Waits for news."""
        async with asyncio.timeout(seconds):
            await self.news.wait()
        self.news.clear()

    def show(self, secret: bytes) -> None:
        """Sends what should be the secret."""
        self._quic.send_stream_data(self._quic.get_next_available_stream_id(), secret, True)
        self.transmit()

    def send(self, data: bytes) -> None:
        """Sends a datagram."""
        self._quic.send_datagram_frame(data)
        self.transmit()


@asynccontextmanager
async def raw_client(
    port: int, certificate: bytes, token: bytes, seconds: float = 60.0, protocol: str | None = None
) -> AsyncIterator[Raw]:
    """Connects with a token, and trusts one certificate (DER).

    Raises:
        TimeoutError: Nobody answers.
        ConnectionError: The handshake failed.
    """
    pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=[protocol or "motioncast-keypoints/1"],
        server_name="datagrams.motioncast.invalid",
        token=token,
        max_datagram_frame_size=1200,
        cadata=pem,
        verify_mode=ssl.CERT_REQUIRED,
    )
    async with connect(
        "127.0.0.1", port, configuration=configuration, create_protocol=Raw, wait_connected=False
    ) as client:
        raw = cast(Raw, client)
        raw.transmit()
        async with asyncio.timeout(seconds):
            await raw.wait_connected()
        yield raw
        with suppress(ConnectionError):
            raw.close()
