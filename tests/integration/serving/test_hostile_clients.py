"""Hostile clients hit a limit before they cost much (docs/limits.md)."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from support.http import get
from support.tiny_services import KEYPOINT_SERVICE, MOTION_SERVICE, Served, serving

from motioncast.serving import Context, ServerSettings
from motioncast.serving.elements import MAX_FIELDS
from motioncast.v1.keypoint_pb2 import DetectRequest, DetectResponse, ListModelsRequest
from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest, StreamResponse
from motioncast.wire.errors import InvalidInputError, OutOfOrderError


def raw(served: Served, service: str, method: str) -> Any:
    """Returns a unary call with raw bytes as request and response."""
    return served.channel.unary_unary(f"/{service}/{method}")


async def test_what_is_compressed_is_refused_before_it_is_inflated() -> None:
    async with serving() as served:
        detect = raw(served, KEYPOINT_SERVICE, "Detect")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await detect(bytes(10_000_000), compression=grpc.Compression.Gzip)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert refused.value.details() == "Compression algorithm 'gzip' is disabled."
        assert (await served.keypoints.Detect(DetectRequest(model="ab"))).inference_ms == 2


async def test_a_message_of_millions_of_messages_is_refused_before_it_is_parsed() -> None:
    images = b"\x12\x00" * 4_000_000  # four million images, 1 GB when parsed
    async with serving() as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await raw(served, KEYPOINT_SERVICE, "Detect")(images)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.details() == (
        f"message: holds more than the limit of {MAX_FIELDS} elements"
    )


async def test_the_same_in_the_middle_of_a_stream() -> None:
    async with serving() as served:
        call: Any = served.channel.stream_stream(f"/{MOTION_SERVICE}/Stream")()
        await call.write(StreamRequest(config=StreamConfig(model="m")).SerializeToString())
        assert StreamResponse.FromString(await call.read()).config.model == "m"
        await call.write(b"\x0a\x00" * (MAX_FIELDS + 1))
        with pytest.raises(grpc.aio.AioRpcError, match="holds more than the limit"):
            await call.read()


async def test_a_sentence_does_not_repeat_all_that_was_sent() -> None:
    async def detect(request: DetectRequest, context: Context) -> DetectResponse:
        raise InvalidInputError.of("model", f"{request.model} is not served")

    async with serving(detect=detect) as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await served.keypoints.Detect(DetectRequest(model="m" * 1_000_000))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == f"model: {'m' * 993} ..."


async def test_a_probe_larger_than_any_name_is_refused() -> None:
    async with serving() as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await served.health.Check(HealthCheckRequest(service="s" * 20_000))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


class Asked:
    """A service that counts its readiness checks."""

    def __init__(self) -> None:
        self.times = 0

    async def ready(self) -> bool:
        self.times += 1
        return True


async def test_all_watches_of_a_service_share_one_look_at_it() -> None:
    asked, settings = Asked(), ServerSettings(readiness_poll_seconds=600)
    async with serving(keypoint_ready=asked.ready, settings=settings) as served:
        # One check of this service finishes before those of all services begin, which share one.
        watches = [served.health.Watch(HealthCheckRequest(service=KEYPOINT_SERVICE))]
        statuses = [(await watches[0].read()).status]
        watches += [served.health.Watch(HealthCheckRequest()) for _ in range(100)]
        statuses += [(await watch.read()).status for watch in watches[1:]]
    assert statuses == [HealthCheckResponse.SERVING] * 101
    assert asked.times == 2  # one for the service, one for all


async def test_checks_at_one_time_share_one_answer() -> None:
    opened, asked = asyncio.Event(), []

    async def slow() -> bool:
        asked.append(1)
        return await opened.wait()

    async with serving(
        keypoint_ready=slow, settings=ServerSettings(readiness_timeout_seconds=600)
    ) as served:
        patient = served.health.Check(HealthCheckRequest())
        while not asked:
            await served.keypoints.ListModels(ListModelsRequest())
        # These checks time out before the service answers.
        checks = [served.health.Check(HealthCheckRequest(), timeout=0.5) for _ in "12345"]
        assert [await check.code() for check in checks] == [grpc.StatusCode.DEADLINE_EXCEEDED] * 5
        assert len(asked) == 1
        opened.set()
        assert (await patient).status == HealthCheckResponse.SERVING


async def test_one_peer_has_a_quarter_of_the_watches_and_checks_are_answered_beside_them() -> None:
    async with serving() as served:
        watches = [served.health.Watch(HealthCheckRequest()) for _ in range(257)]
        refused = []
        for watch in watches:
            try:
                assert (await watch.read()).status == HealthCheckResponse.SERVING
            except grpc.aio.AioRpcError as error:
                refused.append(error)
        check = await served.health.Check(HealthCheckRequest())
        ready = await get_ready(served)
    assert [error.code() for error in refused] == [grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert refused[0].details() == "watches: you have 256, the limit per peer is 256"
    assert check.status == HealthCheckResponse.SERVING
    assert ready == 200


async def get_ready(served: Served) -> int:
    return (await get(served.server, "/ready")).status


async def test_connections_beyond_the_limit_are_hung_up_on() -> None:
    settings = ServerSettings(max_connections=4)
    async with serving(settings=settings) as served:
        opened = [await asyncio.open_connection("127.0.0.1", served.server.port) for _ in range(9)]
        greetings = [await reader.read(9) for reader, _ in opened]  # the head of HTTP/2's SETTINGS
        for _, writer in opened:
            writer.close()
        # Their places become free once the server has noticed.
        detected = await served.keypoints.Detect(DetectRequest(model="ab"), wait_for_ready=True)
        assert detected.inference_ms == 2
    assert sum(greeting != b"" for greeting in greetings) == 4


async def test_http_takes_the_place_of_the_connection_that_has_been_silent_longest() -> None:
    settings = ServerSettings(http_port=0, max_http_connections=4)
    async with serving(settings=settings) as served:
        port = served.server.http_port
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        assert (await get(served.server, "/live")).status == 200
        # The request was the 41st connection: four earlier ones were left, then three.
        assert [await reader.read() for reader, _ in silent[:37]] == [b""] * 37
        assert not any(reader.at_eof() for reader, _ in silent[37:])
        for _, writer in silent:
            writer.close()


@contextmanager
def no_files_left() -> Iterator[None]:
    """Opens files until the process has no descriptors left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 50, hard))
    files = []
    try:
        while True:
            try:
                files.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_process_without_files_says_so_once_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refusals() -> list[str]:
        return [one.getMessage() for one in caplog.records if "accepted" in one.getMessage()]

    async with serving() as served:
        await served.health.Check(HealthCheckRequest())  # connect while it is possible
        clients = [socket.socket() for _ in range(5)]
        with no_files_left():
            for client in clients:
                client.connect(("127.0.0.1", served.server.http_port))
            await served.until(lambda: bool(refusals()))
        for client in clients:
            client.close()
        assert (await get(served.server, "/live")).status == 200
    assert refusals() == ["connections cannot be accepted: Too many open files"]
    assert [one for one in caplog.records if one.name == "asyncio"] == []


async def test_a_client_that_leaves_before_it_said_enough_was_cancelled_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="motioncast.access")

    async def stream(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for request in requests:
            yield StreamResponse(config=request.config)
        raise OutOfOrderError("source: the stream ended before the source image")

    async with serving(stream=stream) as served:
        call: Any = served.channel.stream_stream(f"/{MOTION_SERVICE}/Stream")()
        await call.write(StreamRequest(config=StreamConfig()).SerializeToString())
        await call.read()
        call.cancel()
        await served.until(lambda: any("Stream" in one.getMessage() for one in caplog.records))
        (line,) = (one for one in caplog.records if "Stream" in one.getMessage())
    assert "code=CANCELLED" in line.getMessage()
    assert "peer=ipv4:127.0.0.1:" in line.getMessage()
