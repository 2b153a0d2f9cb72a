"""Both clients distinguish the reasons why a connection fails."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest
from support.mirror import mirror
from support.tiny_services import serving

from motioncast.client import ConnectError
from motioncast.client.diagnosis import proxy_of

Cast = Callable[..., Coroutine[Any, Any, Any]]
VIDEO = np.zeros((1, 4, 6, 3), np.uint8)


async def refusal(cast: Cast, target: str) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        await cast(target, VIDEO, connection={"timeout": 0.3})
    assert str(caught.value).startswith(f"no server answers at {target} (waited 0.3 s): ")
    return caught.value


@asynccontextmanager
async def answering(said: bytes) -> AsyncIterator[str]:
    """Yields the address of a server that sends the same bytes to every client."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextmanager
def http_server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def test_a_refused_connection(cast: Cast) -> None:
    with socket.socket() as deaf:  # bound, so that no other program can listen there
        deaf.bind(("127.0.0.1", 0))
        error = await refusal(cast, f"127.0.0.1:{deaf.getsockname()[1]}")
    assert error.reason == "refused"
    assert "the connection is refused" in str(error)


async def test_a_name_that_does_not_resolve(cast: Cast) -> None:
    error = await refusal(cast, "nowhere.invalid:50050")
    assert error.reason == "name"
    assert str(error).endswith("the name 'nowhere.invalid' does not resolve")


async def test_an_address_that_is_a_url(cast: Cast) -> None:
    error = await refusal(cast, "http://localhost:50050")
    assert str(error).endswith("without http://: use localhost:50050")


@pytest.mark.parametrize("port", ["0", "65536", "abc", "9" * 5000])
async def test_a_port_that_is_none(cast: Cast, port: str) -> None:
    error = await refusal(cast, f"localhost:{port}")
    assert error.reason == "name"
    assert str(error).endswith(f"{port!r} is not a port: an address is HOST:PORT")


async def test_an_empty_address(cast: Cast) -> None:
    with pytest.raises(ConnectError, match="the address is empty") as caught:
        await cast("", VIDEO)
    assert caught.value.reason == "name"


async def test_a_port_that_speaks_http(cast: Cast) -> None:
    with http_server() as target:
        error = await refusal(cast, target)
    assert error.reason == "http"
    assert "the port speaks HTTP/1" in str(error)


async def test_the_metrics_port_of_a_server_of_ours(cast: Cast) -> None:
    async with serving(stream=mirror) as served:
        error = await refusal(cast, f"127.0.0.1:{served.server.http_port}")
    assert error.reason == "http"


async def test_a_port_that_speaks_tls(cast: Cast) -> None:
    alert = bytes([0x15, 3, 1, 0, 2, 2, 10])  # RFC 5246: fatal, unexpected_message
    async with answering(alert) as target:
        error = await refusal(cast, target)
    assert error.reason == "tls"


async def test_a_server_that_says_nothing(cast: Cast) -> None:
    async with answering(b"") as target:
        error = await refusal(cast, target)
    assert error.reason == "silent"


async def test_a_proxy_that_refuses(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        for name in ("grpc_proxy", "https_proxy", "no_grpc_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        error = await refusal(cast, "motion.example:50050")
    assert error.reason == "proxy"
    assert f"the proxy {proxy} (http_proxy), which responds '403 Forbidden'" in str(error)


async def test_loopback_goes_past_every_proxy(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        for name in ("grpc_proxy", "https_proxy", "http_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
        for name in ("no_grpc_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with serving(stream=mirror) as served:
            result = await cast(served.server.address, VIDEO)
    assert len(result.frames) == 1


@pytest.mark.parametrize(
    ("exceptions", "goes"),
    [("", True), ("other.example", True), (".example", False), ("10.0.0.0/8", True)],
)
def test_which_proxy_is_gone_through(exceptions: str, goes: bool) -> None:
    environment = {"https_proxy": "http://p:1", "http_proxy": "http://q:2", "no_proxy": exceptions}
    found = proxy_of("motion.example:50050", environment)
    assert found == (("http://p:1", "https_proxy") if goes else None)
