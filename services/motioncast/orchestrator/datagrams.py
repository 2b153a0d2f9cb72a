"""The datagram endpoint: QUIC on a UDP port, for sessions that learnt of it over gRPC.

    first packet    carries the session's ticket; without one there is no reply and no state
    handshake       against the certificate that the session was given
    first stream    the session's secret, answered with WELCOME; a wrong one closes the connection
    then            keypoint packets arrive as datagrams, acknowledgements leave as datagrams

A sender without a session costs the server the parsing of one header. docs/datagrams.md describes
the protocol, docs/limits.md the limits.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.buffer import Buffer  # type: ignore[attr-defined] # it re-exports it
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    DatagramFrameReceived,
    QuicEvent,
    StreamDataReceived,
)
from aioquic.quic.packet import QuicPacketType, QuicProtocolVersion, pull_quic_header

from motioncast.orchestrator.door_certificate import door_certificate
from motioncast.orchestrator.settings import DatagramSettings
from motioncast.wire.datagrams import (
    CONNECTION_ID_BYTES,
    MAX_DATAGRAM_BYTES,
    OVER,
    PROTOCOL,
    REPLACED,
    SECRET_BYTES,
    WELCOME,
    WRONG_SECRET,
    CountingTransport,
    Door,
    UdpCounts,
    headers_of,
    ticket_of,
)
from motioncast.wire.errors import UnavailableError

MAX_UDP_BYTES: Final = 1500  # larger UDP datagrams are dropped unread
MAX_HANDSHAKES: Final = 8  # per session
HANDSHAKE_SECONDS: Final = 5.0  # for the secret to arrive
IDLE_SECONDS: Final = 30.0  # after this long without traffic a connection is closed
MAX_PER_SECOND: Final = 1000  # UDP datagrams per connection; any more are dropped unread
MAX_WAITING: Final = 256  # packets of a session that were not processed yet


class SessionDatagrams:
    """The server's end of one session's datagrams; created by `DatagramDoor.session`.

    Attributes:
        door: What the client needs to connect.
        counts: UDP traffic over all connections of the session.
        packets: Received packets that were not processed yet.
        changed: Called when a packet arrives or a connection is accepted.
        connected: Whether a connection that has shown the secret is open.
    """

    def __init__(self, door: Door) -> None:
        self.door = door
        self.counts = UdpCounts()
        self.packets: list[bytes] = []
        self.changed: Callable[[], None] = lambda: None
        self._handshakes = 0
        self._over = False
        self._connection: _Connection | None = None

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def may_begin(self) -> bool:
        """Counts a handshake; returns whether the session may begin it."""
        self._handshakes += 1
        return self._handshakes <= MAX_HANDSHAKES

    def let_in(self, connection: _Connection) -> None:
        """Accepts a connection that has shown the secret; it replaces the previous one."""
        if self._over:
            connection.close(OVER, "the session is over")
            return
        before, self._connection = self._connection, connection
        if before is not None:
            before.close(REPLACED, "replaced by another connection of the session")
        self.changed()

    def gone(self, connection: _Connection) -> None:
        """Handles the end of a connection."""
        if self._connection is connection:
            self._connection = None

    def arrived(self, data: bytes) -> None:
        """Accepts a datagram of the session's connection; drops it when too many are pending."""
        if len(data) <= MAX_DATAGRAM_BYTES and len(self.packets) < MAX_WAITING:
            self.packets.append(data)
            self.changed()

    def send(self, data: bytes) -> None:
        """Sends a datagram if there is a connection."""
        if self._connection is not None:
            self._connection.send(data)

    def end(self) -> None:
        """Ends the connection."""
        self._over = True
        self.changed = lambda: None
        if self._connection is not None:
            self._connection.close(OVER, "the session is over")


class DatagramDoor:
    """Listens from entering the block until leaving it.

    Args:
        settings: Address and port to listen on.

    Attributes:
        port: The UDP port; chosen by the system when the settings say 0.
    """

    def __init__(self, settings: DatagramSettings) -> None:
        self._settings = settings
        self._sessions: dict[bytes, SessionDatagrams] = {}  # by ticket
        self.port = 0

    async def __aenter__(self) -> Self:
        """Starts listening; raises UnavailableError when the port cannot be listened on."""
        certificate, key, self._der = door_certificate()
        configuration = QuicConfiguration(
            is_client=False,
            alpn_protocols=[PROTOCOL],
            connection_id_length=CONNECTION_ID_BYTES,
            idle_timeout=IDLE_SECONDS,
            max_data=SECRET_BYTES,
            max_stream_data=SECRET_BYTES,
            max_datagram_frame_size=MAX_DATAGRAM_BYTES + 16,
            certificate=certificate,
            private_key=key,
            supported_versions=[QuicProtocolVersion.VERSION_1],
        )
        host, port = self._settings.host.strip("[]"), self._settings.port
        loop = asyncio.get_running_loop()
        try:
            self._transport, self._server = await loop.create_datagram_endpoint(
                lambda: _Listener(configuration, self._sessions), local_addr=(host, port)
            )
        except OSError:
            raise UnavailableError(
                f"datagram_port: cannot listen on UDP port {port} of {host};"
                " is it in use by another server?",
                field="datagram_port",
            ) from None
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()

    @property
    def public_port(self) -> int:
        """The port announced to clients."""
        return self._settings.public_port or self.port

    @property
    def wait_seconds(self) -> float:
        """How long a frame waits for earlier frames that have not arrived."""
        return self._settings.wait_seconds

    @contextmanager
    def session(self) -> Iterator[SessionDatagrams]:
        """Admits one session's connections from entering the block until leaving it."""
        secret = secrets.token_bytes(SECRET_BYTES)
        session = SessionDatagrams(Door(self.public_port, secret, self._der))
        ticket = ticket_of(secret)
        self._sessions[ticket] = session
        try:
            yield session
        finally:
            del self._sessions[ticket]
            session.end()


class _Listener(QuicServer):
    """Accepts connections from holders of a ticket, and replies to nobody else."""

    def __init__(
        self, configuration: QuicConfiguration, sessions: dict[bytes, SessionDatagrams]
    ) -> None:
        super().__init__(configuration=configuration, create_protocol=self._begin)
        self._sessions = sessions
        self._beginner: SessionDatagrams | None = None

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        """Passes on datagrams that belong to a connection or may open one."""
        assert isinstance(data, bytes)
        if not 1 < len(data) <= MAX_UDP_BYTES:
            return
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=CONNECTION_ID_BYTES)
        except ValueError:
            return
        if header.destination_cid not in self._protocols:
            if header.packet_type is not QuicPacketType.INITIAL or len(data) < 1200:
                return
            if header.version != QuicProtocolVersion.VERSION_1:
                return
            session = self._sessions.get(header.token)
            if session is None or not session.may_begin():
                return
            self._beginner = session
        super().datagram_received(data, addr)

    def _begin(self, connection: QuicConnection, **_: object) -> QuicConnectionProtocol:
        session, self._beginner = self._beginner, None
        assert session is not None
        return _Connection(connection, session)


class _Connection(QuicConnectionProtocol):
    """One connection of the session whose ticket opened it."""

    def __init__(self, connection: QuicConnection, session: SessionDatagrams) -> None:
        super().__init__(connection)
        self._session = session
        self._shown = b""  # the part of the secret received so far
        self._let_in = False
        self._budget, self._filled = float(MAX_PER_SECOND), self._loop.time()
        self._limit = self._loop.call_later(
            HANDSHAKE_SECONDS, self._refuse, "no secret was received"
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts what is sent."""
        super().connection_made(CountingTransport(transport, self._session.counts))

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        """Counts received datagrams; drops those beyond MAX_PER_SECOND unread."""
        self._session.counts.count_received(len(data), headers_of(addr[0]))
        now = self._loop.time()
        refilled = self._budget + (now - self._filled) * MAX_PER_SECOND
        self._budget, self._filled = min(refilled, MAX_PER_SECOND), now
        if self._budget >= 1:
            self._budget -= 1
            super().datagram_received(data, addr)

    def quic_event_received(self, event: QuicEvent) -> None:
        """Reads the secret, then datagrams."""
        if isinstance(event, DatagramFrameReceived) and self._let_in:
            self._session.arrived(event.data)
        elif isinstance(event, StreamDataReceived) and not self._let_in:
            self._shown += event.data
            if len(self._shown) >= SECRET_BYTES or event.end_stream:
                self._compare(event.stream_id)
        elif isinstance(event, ConnectionTerminated):
            self._limit.cancel()
            self._session.gone(self)

    def send(self, data: bytes) -> None:
        """Sends a datagram."""
        self._quic.send_datagram_frame(data)
        self.transmit()

    def _compare(self, stream: int) -> None:
        if not hmac.compare_digest(self._shown, self._session.door.secret):
            self._refuse("no session has this secret")
            return
        self._limit.cancel()
        self._let_in = True
        self._quic.send_stream_data(stream, WELCOME, end_stream=True)
        self._session.let_in(self)

    def _refuse(self, why: str) -> None:
        self.close(WRONG_SECRET, why)
