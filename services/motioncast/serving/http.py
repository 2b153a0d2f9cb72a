"""The HTTP side of a server: GET /metrics, /live and /ready, nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from motioncast.serving.readiness import Readiness

_MAX_HEAD_BYTES = 16 * 1024
_HEAD_SECONDS = 5.0  # a client that has not sent its request by then is hung up on
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Response:
    status: HTTPStatus
    body: bytes
    content_type: str = _TEXT
    headers: tuple[str, ...] = ()


class HttpEndpoint:
    """Answers one request on each connection.

    Args:
        registry: What /metrics shows, in the text or the OpenMetrics format as Accept asks for.
        readiness: /ready is 503 unless everything is ready; /live is 200 while anybody answers.
    """

    def __init__(self, registry: CollectorRegistry, readiness: Readiness) -> None:
        self._registry = registry
        self._readiness = readiness
        self._server: asyncio.Server | None = None

    async def bind(self, host: str, port: int) -> int:
        """Takes the port; returns it, which was chosen when 0 was asked for."""
        self._server = await asyncio.start_server(
            self._serve, host, port, limit=_MAX_HEAD_BYTES, start_serving=False
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listens, when a port was taken."""
        if self._server is not None:
            await self._server.start_serving()

    async def stop(self) -> None:
        """Listens no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            await self._answer(head.decode("latin-1"), writer)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left or said nothing
        except asyncio.LimitOverrunError:
            _write(writer, "GET", _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        finally:
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        request_line, *header_lines = head.split("\r\n")
        match request_line.split(" "):
            case [method, target, version] if version.startswith("HTTP/1."):
                headers = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in header_lines)
                }
                path = target.partition("?")[0]
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
