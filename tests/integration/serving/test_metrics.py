"""Every call of every kind is counted under gRPC's usual metric names, and logged once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from support.tiny_services import KEYPOINT_SERVICE, Gate, Served, serving

from motioncast.serving import Context, Registration
from motioncast.v1.keypoint_pb2 import DetectRequest, DetectResponse
from motioncast.wire.errors import UnknownModelError


async def unary(request: bytes, context: Context) -> bytes:
    return request


async def client_stream(requests: AsyncIterator[bytes], context: Context) -> bytes:
    return b"".join([request async for request in requests])


async def server_stream(request: bytes, context: Context) -> AsyncIterator[bytes]:
    for byte in request:
        yield bytes([byte])


async def bidi_stream(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request
        yield request


def identity(message: bytes) -> bytes:
    return message


def add_kinds(server: grpc.aio.Server) -> None:
    """Adds a service with one method of each kind and plain bytes as messages."""
    codec: Any = {"request_deserializer": identity, "response_serializer": identity}
    handlers: Any = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary, **codec),
        "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream, **codec),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream, **codec),
        "BidiStream": grpc.stream_stream_rpc_method_handler(bidi_stream, **codec),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Kinds", handlers),))


KINDS = Registration("test.Kinds", add_kinds)


def counts(served: Served, kind: str, service: str, method: str) -> dict[str, float | None]:
    labels = {"grpc_type": kind, "grpc_service": service, "grpc_method": method}
    return {
        name: served.metric(f"grpc_server_{name}", **labels)
        for name in (
            "started_total",
            "msg_received_total",
            "msg_sent_total",
            "handling_seconds_count",
        )
    } | {"handled": served.metric("grpc_server_handled_total", **labels, grpc_code="OK")}


def expected(received: int, sent: int) -> dict[str, float | None]:
    return {
        "started_total": 1,
        "msg_received_total": received,
        "msg_sent_total": sent,
        "handling_seconds_count": 1,
        "handled": 1,
    }


async def test_all_four_kinds_of_calls_work_and_are_counted_with_their_messages() -> None:
    messages = [b"a", b"b", b"c"]
    async with serving(registrations=(KINDS,)) as served:
        channel: Any = served.channel  # the stubs expect message types, not bytes
        assert await channel.unary_unary("/test.Kinds/Unary")(b"abc") == b"abc"
        assert await channel.stream_unary("/test.Kinds/ClientStream")(iter(messages)) == b"abc"
        call = channel.unary_stream("/test.Kinds/ServerStream")(b"abc")
        assert [message async for message in call] == messages
        both = channel.stream_stream("/test.Kinds/BidiStream")(iter(messages))
        assert [message async for message in both] == [b"a", b"a", b"b", b"b", b"c", b"c"]
        await served.until(
            lambda: (
                (served.metric("motioncast_calls_in_flight") == 0)
                and counts(served, "bidi_stream", "test.Kinds", "BidiStream")["handled"] == 1
            )
        )
        assert counts(served, "unary", "test.Kinds", "Unary") == expected(1, 1)
        assert counts(served, "client_stream", "test.Kinds", "ClientStream") == expected(3, 1)
        assert counts(served, "server_stream", "test.Kinds", "ServerStream") == expected(1, 3)
        assert counts(served, "bidi_stream", "test.Kinds", "BidiStream") == expected(3, 6)


def handled(served: Served, code: str) -> float | None:
    return served.metric(
        "grpc_server_handled_total",
        grpc_type="unary",
        grpc_service=KEYPOINT_SERVICE,
        grpc_method="Detect",
        grpc_code=code,
    )


@pytest.mark.parametrize(
    ("error", "code"), [(UnknownModelError("x"), "NOT_FOUND"), (ValueError("x"), "INTERNAL")]
)
async def test_a_call_that_fails_is_counted_with_the_status_the_caller_got(
    error: Exception, code: str
) -> None:
    async def detect(request: DetectRequest, context: Context) -> DetectResponse:
        raise error

    async with serving(detect=detect) as served:
        assert (await served.keypoints.Detect(DetectRequest()).code()).name == code
        await served.until(lambda: handled(served, code) == 1)  # counted once the status is sent


async def test_a_call_that_the_client_leaves_is_counted_as_cancelled() -> None:
    gate = Gate()
    async with serving(detect=gate.detect) as served:
        call = served.keypoints.Detect(DetectRequest(model="left"))
        await served.until(lambda: gate.entered == ["left"])
        call.cancel()
        await served.until(lambda: handled(served, "CANCELLED") == 1)


async def test_two_servers_in_one_process_count_apart() -> None:
    async with serving() as one, serving() as other:
        await one.keypoints.Detect(DetectRequest())
        assert (handled(one, "OK"), handled(other, "OK")) == (1, None)


async def test_each_call_is_one_line_of_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="motioncast.access")
    request = DetectRequest(model="lite128")
    async with serving() as served:
        await served.health.Check(HealthCheckRequest())  # probes are not logged
        response = await served.keypoints.Detect(request)
    (record,) = (record for record in caplog.records if record.name == "motioncast.access")
    fields = vars(record)
    assert fields["method"] == f"{KEYPOINT_SERVICE}/Detect"
    assert fields["code"] == "OK"
    assert fields["received_bytes"] == request.ByteSize()
    assert fields["sent_bytes"] == response.ByteSize()
    assert fields["peer"].startswith("ipv4:127.0.0.1:")
    assert 0 < fields["seconds"] < 10
    assert record.getMessage().startswith(f"method={KEYPOINT_SERVICE}/Detect code=OK seconds=")
