"""The HTTP port: /metrics, /live and /ready, and a proper response to everything else."""

from __future__ import annotations

import asyncio
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from support.http import get, send
from support.tiny_services import serving

from motioncast.serving import ServerSettings
from motioncast.v1.keypoint_pb2 import DetectRequest


async def test_metrics_are_shown_in_the_text_format() -> None:
    async with serving() as served:
        await served.keypoints.Detect(DetectRequest())
        answer = await get(served.server, "/metrics")
    families = {
        family.name: family for family in text_string_to_metric_families(answer.body.decode())
    }
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert [sample.value for sample in families["grpc_server_started"].samples] == [1]
    assert families["process_resident_memory_bytes"].samples[0].value > 0


async def test_metrics_are_shown_as_openmetrics_to_who_asks_for_them() -> None:
    async with serving() as served:
        answer = await get(
            served.server, "/metrics", accept="application/openmetrics-text; version=1.0.0"
        )
    parsed = openmetrics_families(answer.body.decode())  # type: ignore[no-untyped-call]
    names = {family.name for family in parsed}
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert "motioncast_calls_rejected" in names


async def test_a_common_client_reads_it() -> None:
    async with serving() as served:
        url = f"http://127.0.0.1:{served.server.http_port}/live?probe=1"

        def read() -> tuple[int, bytes]:
            with urllib.request.urlopen(url, timeout=10) as response:
                return response.status, response.read()

        assert await asyncio.to_thread(read) == (200, b"live\n")


async def test_ready_follows_the_services_and_live_does_not() -> None:
    state = {"ready": True}

    async def ready() -> bool:
        return state["ready"]

    async with serving(keypoint_ready=ready) as served:
        before = await get(served.server, "/ready")
        state["ready"] = False
        after, live = await get(served.server, "/ready"), await get(served.server, "/live")
    assert (before.status, before.body) == (200, b"ready\n")
    assert (after.status, after.body) == (503, b"not ready\n")
    assert live.status == 200


async def test_head_has_the_headers_without_the_body() -> None:
    async with serving() as served:
        answer = await get(served.server, "/live", method="HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "5", b"")


async def test_another_path_is_not_found() -> None:
    async with serving() as served:
        assert (await get(served.server, "/")).status == 404


async def test_another_method_is_not_allowed_and_the_answer_tells_which_are() -> None:
    async with serving() as served:
        answer = await get(served.server, "/metrics", method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400 Bad Request"),
        (b"GET /live SPDY/3\r\n\r\n", b"400 Bad Request"),
        (b"GET /live HTTP/1.1\r\nA: " + b"a" * 70_000, b"431 Request Header Fields Too Large"),
    ],
)
async def test_what_is_no_request_is_refused(request_bytes: bytes, status: bytes) -> None:
    async with serving() as served:
        answer = await send(served.server, request_bytes)
        assert (await get(served.server, "/live")).status == 200
    assert answer.startswith(b"HTTP/1.1 " + status)


async def test_a_client_that_leaves_without_a_request_harms_nobody() -> None:
    async with serving() as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.server.http_port)
        writer.close()
        await writer.wait_closed()
        assert (await get(served.server, "/ready")).status == 200


async def test_there_is_no_http_port_when_none_is_wanted() -> None:
    async with serving(settings=ServerSettings()) as served:
        assert served.server.http_port is None
