"""A minimal HTTP client: sends raw bytes and returns the raw response."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from motioncast.serving import Server


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    headers: dict[str, str]  # lower-case names
    body: bytes


async def send(server: Server, data: bytes) -> bytes:
    """Sends bytes to the server's HTTP port and returns the response."""
    reader, writer = await asyncio.open_connection(server.settings.host, server.http_port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def get(server: Server, path: str, method: str = "GET", accept: str = "*/*") -> Answer:
    """Returns the response to one GET request."""
    request = f"{method} {path} HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\n\r\n"
    head, _, body = (await send(server, request.encode())).partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(
        status=int(status_line.split(" ")[1]),
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
    )
