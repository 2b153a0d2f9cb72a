"""The HTTP side of a server: GET /metrics, /live and /ready, nothing else."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from motioncast.serving.readiness import Readiness
from motioncast.serving.tls import Certificates

_log = logging.getLogger(__name__)

_MAX_HEAD_BYTES = 16 * 1024
_SECONDS = 5.0  # time for a client to send its request and read the response
_RETRY_SECONDS = 1.0  # pause after a failed accept
_TELL_SECONDS = 60.0  # at most one log line in this time
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Response:
    status: HTTPStatus
    body: bytes
    content_type: str = _TEXT
    headers: tuple[str, ...] = ()


class HttpEndpoint:
    """Answers one request per connection.

    Args:
        registry: The contents of /metrics, in text or OpenMetrics format as Accept requests.
        readiness: /ready is 503 unless everything is ready; /live is always 200.
        max_connections: Limit of open connections; one more replaces the oldest.
        certificates: Certificates of the server; None serves plain text.
        known_only: Restricts /metrics to clients with a certificate; probes need none.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        readiness: Readiness,
        max_connections: int,
        certificates: Certificates | None = None,
        *,
        known_only: bool = False,
    ) -> None:
        self._registry = registry
        self._readiness = readiness
        self._max_connections = max_connections
        self._certificates = certificates
        self._known_only = known_only
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._open: dict[asyncio.Task[None], None] = {}  # in order of arrival

    async def bind(self, host: str, port: int) -> int:
        """Binds the port; returns it, which the system chose when 0 was requested."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        dual = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
        self._socket = socket.create_server(address[:2], family=family, dualstack_ipv6=dual)
        self._socket.setblocking(False)
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Starts listening if a port was bound."""
        if self._socket is not None:
            self._accepting = asyncio.create_task(self._accept(self._socket))

    async def stop(self) -> None:
        """Stops listening, and closes every connection."""
        tasks = [*self._open, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._socket is not None:
            self._socket.close()

    async def _accept(self, listening: socket.socket) -> None:
        """Accepts connections; when the process runs out of files, waits and continues.

        asyncio's own server would log a hundred lines at each attempt.
        """
        loop = asyncio.get_running_loop()
        told = -math.inf
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except (ConnectionAbortedError, InterruptedError):
                continue
            except OSError as error:
                if loop.time() - told > _TELL_SECONDS:
                    told = loop.time()
                    _log.error("connections cannot be accepted: %s", error.strerror)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if len(self._open) >= self._max_connections:
                oldest = next(iter(self._open))
                del self._open[oldest]
                oldest.cancel()
            task = asyncio.create_task(self._serve(connection))
            self._open[task] = None
            task.add_done_callback(lambda ended: self._open.pop(ended, None))
            await asyncio.sleep(0)  # starts it, so that it closes the connection when cancelled

    async def _serve(self, connection: socket.socket) -> None:
        try:
            reader, writer = await self._opened(connection)
        except (OSError, TimeoutError):  # failed handshake: plain text, or an unknown certificate
            connection.close()
            return
        except BaseException:
            connection.close()
            raise
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head.decode("latin-1"), writer)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass  # the client disconnected, sent nothing, or does not read
        except asyncio.LimitOverrunError:
            _write(writer, "GET", _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        finally:
            writer.close()

    async def _opened(
        self, connection: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_MAX_HEAD_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        secure = self._certificates is not None
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=self._certificates.context() if self._certificates is not None else None,
            ssl_handshake_timeout=_SECONDS if secure else None,
            ssl_shutdown_timeout=_SECONDS if secure else None,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        request_line, *header_lines = head.split("\r\n")
        match request_line.split(" "):
            case [method, target, version] if version.startswith("HTTP/1."):
                headers = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in header_lines)
                }
                path = target.partition("?")[0]
                if path == "/metrics" and self._known_only and not _is_known(writer):
                    response = _plain(HTTPStatus.FORBIDDEN)
                else:
                    response = await self._respond(method, path, headers.get("accept", ""))
            case _:
                method, response = "GET", _plain(HTTPStatus.BAD_REQUEST)
        _write(writer, method, response)
        await writer.drain()

    async def _respond(self, method: str, path: str, accept: str) -> _Response:
        if path not in ("/metrics", "/live", "/ready"):
            return _plain(HTTPStatus.NOT_FOUND)
        if method not in ("GET", "HEAD"):
            return _Response(
                HTTPStatus.METHOD_NOT_ALLOWED,
                b"Method Not Allowed\n",
                headers=("Allow: GET, HEAD",),
            )
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return _Response(HTTPStatus.OK, encode(self._registry), content_type)
        if path == "/ready" and not await self._readiness.of():
            return _Response(HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n")
        return _Response(HTTPStatus.OK, f"{path[1:]}\n".encode())


def _is_known(writer: asyncio.StreamWriter) -> bool:
    """Returns whether the client presented a certificate, which was verified."""
    return bool(writer.get_extra_info("peercert"))


def _plain(status: HTTPStatus) -> _Response:
    return _Response(status, f"{status.phrase}\n".encode())


def _write(writer: asyncio.StreamWriter, method: str, response: _Response) -> None:
    lines = (
        f"HTTP/1.1 {response.status} {response.status.phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Connection: close",
        *response.headers,
    )
    writer.write("\r\n".join((*lines, "", "")).encode("latin-1"))
    if method != "HEAD":
        writer.write(response.body)
