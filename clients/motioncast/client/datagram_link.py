"""One session's QUIC connection to the server's datagram port, in a thread of its own.

    link = DatagramLink(host, door, on_acknowledgement, on_change)
    link.start()                  connects; before that succeeds, and after closing, `up` is False
    link.send(data)               from any thread
    link.close()

docs/datagrams.md has the protocol.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    DatagramFrameReceived,
    QuicEvent,
    StreamDataReceived,
)
from aioquic.quic.packet import QuicProtocolVersion

from motioncast.wire.datagrams import (
    CONNECTION_ID_BYTES,
    MAX_DATAGRAM_BYTES,
    PROTOCOL,
    SERVER_NAME,
    WELCOME,
    CountingTransport,
    Door,
    UdpCounts,
    headers_of,
    ticket_of,
)

CONNECT_SECONDS: Final = 2.0  # if no datagram gets through by then, packets stay on gRPC
_IDLE_SECONDS: Final = 30.0
_ANY: Final = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


class DatagramLink:
    """A connection that may never be established; senders see no errors.

    Args:
        host: Name or address that the gRPC connection goes to.
        door: The server's description of its datagram port.
        on_datagram: Called with each datagram from the server, in the link's thread.
        on_change: Called there when the link has come up, or has closed for good.

    Attributes:
        up: Whether datagrams can be sent.
        over: Whether the link has closed for good.
        counts: UDP traffic at this end, including the handshake.
    """

    def __init__(
        self,
        host: str,
        door: Door,
        on_datagram: Callable[[bytes], None],
        on_change: Callable[[], None],
    ) -> None:
        self._host = host
        self._door = door
        self._on_datagram = on_datagram
        self._on_change = on_change
        self._thread = threading.Thread(target=self._run, name="motioncast-datagrams", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: _Connection | None = None
        self._ready = threading.Event()
        self._stopping: asyncio.Event | None = None
        self.up = False
        self.over = False
        self.counts = UdpCounts()

    def start(self) -> None:
        """Begins to connect."""
        self._thread.start()
        self._ready.wait()

    def send(self, data: bytes) -> None:
        """Sends a datagram of at most MAX_DATAGRAM_BYTES; it may get lost."""
        if self._loop is not None and self.up:
            with suppress(RuntimeError):  # the loop has just closed
                self._loop.call_soon_threadsafe(self._send, data)

    def close(self) -> None:
        """Closes the connection and waits until its thread has ended."""
        if self._loop is not None and self._stopping is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.ident is not None:
            self._thread.join()

    def _send(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.send(data)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        finally:
            self.up, self.over = False, True
            self._ready.set()
            self._on_change()

    async def _main(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        stopping = asyncio.create_task(self._stopping.wait())
        living = asyncio.create_task(self._live())
        await asyncio.wait({stopping, living}, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, living):
            task.cancel()
        await asyncio.wait({stopping, living})
        if not living.cancelled():
            living.exception()  # no name or no route: the packets go over gRPC

    async def _live(self) -> None:
        """Connects to the first address that responds; returns when the connection closes."""
        assert self._loop is not None
        found = await self._loop.getaddrinfo(self._host, self._door.port, type=socket.SOCK_DGRAM)
        addresses = list(dict.fromkeys((family, address) for family, *_, address in found))
        for family, address in addresses:
            connection = _Connection(
                QuicConnection(configuration=self._configuration()), self._on_datagram, self.counts
            )
            transport, _ = await self._loop.create_datagram_endpoint(
                lambda connection=connection: connection,  # type: ignore[misc]
                local_addr=(_ANY[family], 0),
                family=family,
            )
            try:
                async with asyncio.timeout(CONNECT_SECONDS / len(addresses)) as limit:
                    connection.connect(address)
                    await connection.wait_connected()
                    connection.show(self._door.secret)
                    await connection.welcomed
                    limit.reschedule(None)
                    self._connection, self.up = connection, True
                    self._on_change()
                    await connection.wait_closed()
                    return
            except (TimeoutError, ConnectionError):
                continue
            finally:
                self.up = False
                connection.close()
                await asyncio.sleep(0)
                transport.close()

    def _configuration(self) -> QuicConfiguration:
        encoded = base64.encodebytes(self._door.certificate)
        pem = b"-----BEGIN CERTIFICATE-----\n" + encoded + b"-----END CERTIFICATE-----\n"
        return QuicConfiguration(
            is_client=True,
            alpn_protocols=[PROTOCOL],
            connection_id_length=CONNECTION_ID_BYTES,
            idle_timeout=_IDLE_SECONDS,
            max_datagram_frame_size=MAX_DATAGRAM_BYTES + 16,
            server_name=SERVER_NAME,
            token=ticket_of(self._door.secret),
            cadata=pem,
            verify_mode=ssl.CERT_REQUIRED,
            supported_versions=[QuicProtocolVersion.VERSION_1],
        )


class _Connection(QuicConnectionProtocol):
    """The connection's protocol: presents the secret, then receives datagrams."""

    def __init__(
        self, quic: QuicConnection, on_datagram: Callable[[bytes], None], counts: UdpCounts
    ) -> None:
        super().__init__(quic)
        self._on_datagram = on_datagram
        self._counts = counts
        self.welcomed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts sent datagrams."""
        super().connection_made(CountingTransport(transport, self._counts))

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        """Counts received datagrams."""
        self._counts.count_received(len(data), headers_of(addr[0]))
        super().datagram_received(data, addr)

    def show(self, secret: bytes) -> None:
        """Sends the secret on the first stream."""
        stream = self._quic.get_next_available_stream_id()
        self._quic.send_stream_data(stream, secret, end_stream=True)
        self.transmit()

    def send(self, data: bytes) -> None:
        """Sends a datagram."""
        self._quic.send_datagram_frame(data)
        self.transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        """Handles the welcome, then datagrams."""
        if isinstance(event, DatagramFrameReceived):
            self._on_datagram(event.data)
        elif isinstance(event, StreamDataReceived):
            if event.data == WELCOME and not self.welcomed.done():
                self.welcomed.set_result(None)
        elif isinstance(event, ConnectionTerminated) and not self.welcomed.done():
            self.welcomed.set_exception(ConnectionError(event.reason_phrase))
            self.welcomed.exception()  # marks it retrieved: a failed handshake leaves it unawaited
