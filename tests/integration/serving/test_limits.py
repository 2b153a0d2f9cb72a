"""Messages over the limit are refused in both directions, with both sizes in the error."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from support.tiny_services import serving

from motioncast.serving import Context, ServerSettings
from motioncast.v1.keypoint_pb2 import DetectRequest, DetectResponse
from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest, StreamResponse

LIMIT = 1000
SETTINGS = ServerSettings(max_message_bytes=LIMIT)


def request_of(size: int) -> DetectRequest:
    request = DetectRequest(model="m" * (size - 3))  # one tag byte and two length bytes
    assert request.ByteSize() == size
    return request


async def test_a_request_of_exactly_the_limit_passes() -> None:
    async with serving(settings=SETTINGS) as served:
        response = await served.keypoints.Detect(request_of(LIMIT))
    assert response.inference_ms == LIMIT - 3


async def test_a_request_over_the_limit_is_refused_with_both_numbers() -> None:
    async with serving(settings=SETTINGS) as served:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.keypoints.Detect(request_of(LIMIT + 1))
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert raised.value.details() == "message: 1001 bytes exceed the limit of 1000"


async def test_a_request_far_over_the_limit_is_not_even_received() -> None:
    async with serving(settings=SETTINGS) as served:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.keypoints.Detect(request_of(3 * LIMIT))
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_response_over_the_limit_is_not_sent() -> None:
    async def detect(request: DetectRequest, context: Context) -> DetectResponse:
        response = DetectResponse()
        response.keypoints.add(x=[0.5] * 500)
        return response

    async with serving(detect=detect, settings=SETTINGS) as served:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.keypoints.Detect(DetectRequest())
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "bytes exceed the limit of 1000" in (raised.value.details() or "")


async def test_each_message_of_a_stream_has_the_limit_of_its_own() -> None:
    async with serving(settings=SETTINGS) as served:
        call = served.motion.Stream()
        for _ in range(3):
            await call.write(StreamRequest(config=StreamConfig(model="m" * 600)))
            assert (await call.read()).config.model == "m" * 600
        await call.write(StreamRequest(config=StreamConfig(model="m" * 1200)))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert raised.value.details() == "message: 1206 bytes exceed the limit of 1000"


async def test_a_response_in_the_middle_of_a_stream_over_the_limit_ends_it() -> None:
    async def stream(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        for letters in (10, 1200):
            yield StreamResponse(config=StreamConfig(model="m" * letters))

    async with serving(stream=stream, settings=SETTINGS) as served:
        call = served.motion.Stream()
        assert (await call.read()).config.model == "m" * 10
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
