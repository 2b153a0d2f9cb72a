"""A bare QUIC client on aioquic's own `connect`, for behaviour our client never shows."""

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
    """Records everything received.

    Attributes:
        answer: Data received on the first stream.
        datagrams: Received datagrams.
        ended: Code and reason of the connection's end, once it has ended.
        news: Set on each of these events.
    """

    answer = b""
    ended: tuple[int, str] | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        """Records an event."""
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
        """Set whenever something is received."""
        event: asyncio.Event = self.__dict__.setdefault("_news", asyncio.Event())
        return event

    @property
    def datagrams(self) -> list[bytes]:
        """Received datagrams."""
        found: list[bytes] = self.__dict__.setdefault("_found", [])
        return found

    async def until(self, seconds: float = 60.0) -> None:
        """Waits for the next event."""
        async with asyncio.timeout(seconds):
            await self.news.wait()
        self.news.clear()

    def show(self, secret: bytes) -> None:
        """Sends a purported secret."""
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
    """Connects with a token, trusting one certificate (DER).

    Raises:
        TimeoutError: There is no answer.
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
