"""TLS-only ports, and certificates that are replaced while they are in use."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from support.certificates import expired, serial_of
from support.http import get
from support.tiny_services import KEYPOINT_SERVICE

from motioncast.local.certificates import make_certificates
from motioncast.serving import Server, ServerSettings, ServerTls
from motioncast.serving.settings import refuse_plain_text
from motioncast.wire.errors import InvalidInputError

DAY = 86400


def trusting(files: dict[str, Path], *, shown: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files["ca.pem"])
    context.set_alpn_protocols(["h2"])
    if shown:
        context.load_cert_chain(files["client.pem"], files["client.key"])
    return context


async def serial_at(port: int, context: ssl.SSLContext) -> int:
    """Returns the serial number of the certificate presented to a new connection."""
    _, writer = await asyncio.open_connection("localhost", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return serial_of(ssl.DER_cert_to_PEM_cert(shown).encode())


async def test_a_new_certificate_counts_for_the_next_connection(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    tls = ServerTls(files["server.pem"], files["server.key"])
    credentials = grpc.ssl_channel_credentials(files["ca.pem"].read_bytes())
    async with Server(ServerSettings(http_port=0, tls=tls), []) as server:
        ports = (server.port, server.http_port or 0)
        async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as before:
            health: Any = before.unary_unary("/grpc.health.v1.Health/Check")
            await health(b"")
            for port in ports:
                shown = await serial_at(port, trusting(files))
                assert shown == serial_of(files["server.pem"].read_bytes())
            first = shown
            make_certificates(tmp_path)
            for port in ports:
                shown = await serial_at(port, trusting(files))
                assert shown == serial_of(files["server.pem"].read_bytes()) != first
            await health(b"")  # existing connections are kept
            files["server.key"].write_bytes(b"nonsense")  # an incomplete pair is ignored
            for port in ports:
                assert await serial_at(port, trusting(files)) == shown


async def test_metrics_tell_when_the_certificate_expires(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def said(server: Server) -> float | None:
        name = "motioncast_certificate_expires_timestamp_seconds"
        return server.metrics.registry.get_sample_value(name, {"ports": "all"})

    files = make_certificates(tmp_path, days=30)
    tls = ServerTls(files["server.pem"], files["server.key"])
    async with Server(ServerSettings(tls=tls), []) as server:
        assert said(server) == pytest.approx(time.time() + 30 * DAY, abs=DAY / 24)
        make_certificates(tmp_path, days=3)
        assert said(server) == pytest.approx(time.time() + 3 * DAY, abs=DAY / 24)
        certificate, key = expired(files, tmp_path)
        key.replace(files["server.key"])
        certificate.replace(files["server.pem"])
        assert (said(server) or 0) < time.time()
    assert "has expired" in caplog.text
    async with Server(ServerSettings(), []) as plain:
        assert said(plain) is None


async def test_who_shows_no_certificate_reads_no_metrics_and_calls_nothing(tmp_path: Path) -> None:
    files = make_certificates(tmp_path / "ours")
    strangers = make_certificates(tmp_path / "strangers")
    tls = ServerTls(files["server.pem"], files["server.key"], files["ca.pem"], clients=True)

    async def status(server: Server, path: str, context: ssl.SSLContext) -> str:
        reader, writer = await asyncio.open_connection("localhost", server.http_port, ssl=context)
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        line = (await reader.readline()).decode()
        writer.close()
        return line.split(" ")[1]

    async with Server(ServerSettings(http_port=0, tls=tls), []) as server:
        assert await status(server, "/ready", trusting(files)) == "200"
        assert await status(server, "/metrics", trusting(files)) == "403"
        assert await status(server, "/metrics", trusting(files, shown=True)) == "200"
        ca = files["ca.pem"].read_bytes()
        for shown, allowed in ((None, False), (strangers, False), (files, True)):
            pair = (None, None)
            if shown is not None:
                pair = (shown["client.key"].read_bytes(), shown["client.pem"].read_bytes())  # type: ignore[assignment]
            credentials = grpc.ssl_channel_credentials(ca, *pair)
            async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as channel:
                check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
                if allowed:
                    await check(b"", timeout=20)
                    continue
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await check(b"", timeout=20)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_plain_text_gets_no_answer(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    tls = ServerTls(files["server.pem"], files["server.key"])
    async with Server(ServerSettings(http_port=0, tls=tls), []) as server:
        with pytest.raises((ConnectionError, IndexError, ValueError)):
            await get(server, "/metrics")
        async with grpc.aio.insecure_channel(server.address) as channel:
            call: Any = channel.unary_unary(f"/{KEYPOINT_SERVICE}/Detect")
            with pytest.raises(grpc.aio.AioRpcError):
                await call(b"", timeout=5)


def test_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    files, others = make_certificates(tmp_path / "a"), make_certificates(tmp_path / "b")
    certificate, _ = expired(files, tmp_path)
    for tls, sentence in (
        (ServerTls(files["server.pem"], others["server.key"]), r"^ssl_key: .* is not the key"),
        (ServerTls(certificate, files["server.key"]), r"^ssl_key: .* is not the key"),
        (ServerTls(tmp_path / "none", files["server.key"]), r"^ssl: .* cannot be read"),
    ):
        with pytest.raises(InvalidInputError, match=sentence):
            Server(ServerSettings(tls=tls), [])
    with pytest.raises(InvalidInputError, match=r"^ssl_ca: mutual TLS needs"):
        ServerTls(files["server.pem"], files["server.key"], clients=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "cast.example.org", ""])
def test_plain_text_is_not_spoken_to_other_machines(host: str) -> None:
    with pytest.raises(InvalidInputError, match=r"--ssl-mode TLS .* or pass --insecure"):
        ServerSettings(host=host)
    ServerSettings(host=host, insecure=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_plain_text_may_stay_on_this_machine(host: str) -> None:
    refuse_plain_text(host)
