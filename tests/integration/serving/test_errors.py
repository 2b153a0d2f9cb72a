"""Errors reach the caller as a sentence with details; everything else only goes to the log."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_status import rpc_status
from support.tiny_services import MOTION_SERVICE, serving

from motioncast.serving import Context
from motioncast.v1.keypoint_pb2 import DetectRequest, DetectResponse
from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest, StreamResponse
from motioncast.wire.errors import (
    DeadlineError,
    DomainError,
    ExhaustedError,
    InvalidInputError,
    OutOfOrderError,
    UnavailableError,
    UnknownModelError,
)
from motioncast.wire.status import decode_error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInputError.of("horizon", "300 is too long"), grpc.StatusCode.INVALID_ARGUMENT),
        (OutOfOrderError("index: 3 comes after 5"), grpc.StatusCode.FAILED_PRECONDITION),
        (UnknownModelError("model: x is not served"), grpc.StatusCode.NOT_FOUND),
        (ExhaustedError("full", retry_after_seconds=2), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (UnavailableError("predictor: does not answer"), grpc.StatusCode.UNAVAILABLE),
        (DeadlineError("the time is over"), grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_a_domain_error_arrives_with_its_status_sentence_and_details(
    error: DomainError, code: grpc.StatusCode
) -> None:
    async def detect(request: DetectRequest, context: Context) -> DetectResponse:
        raise error

    async with serving(detect=detect) as served:
        call = served.keypoints.Detect(DetectRequest())
        with pytest.raises(grpc.aio.AioRpcError):
            await call
        status = await rpc_status.aio.from_call(call)
        assert await call.code() == code
    arrived = decode_error(status)
    assert arrived is not None
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.field == error.field
    assert arrived.retry_after_seconds == error.retry_after_seconds


async def test_an_error_in_the_middle_of_a_stream_arrives_after_what_was_sent_before() -> None:
    async def stream(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for request in requests:
            yield StreamResponse(config=request.config)
            raise InvalidInputError.of("config.model", "is not to be had")

    async with serving(stream=stream) as served:
        call = served.motion.Stream()
        await call.write(StreamRequest(config=StreamConfig(model="lite128")))
        first = await call.read()
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
        status = await rpc_status.aio.from_call(call)
    assert first.config.model == "lite128"
    error = decode_error(status)
    assert error is not None
    assert error.field == "config.model"


async def test_what_nobody_foresaw_is_internal_and_its_story_stays_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def detect(request: DetectRequest, context: Context) -> DetectResponse:
        raise ZeroDivisionError("at /srv/secret/place")

    async with serving(detect=detect) as served:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.keypoints.Detect(DetectRequest())
    assert raised.value.code() == grpc.StatusCode.INTERNAL
    assert raised.value.details() == "internal error"
    assert "secret" not in repr(raised.value.trailing_metadata())
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert "KeypointService/Detect" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


async def test_a_status_that_a_servicer_sets_itself_is_left_alone() -> None:
    async def detect(request: DetectRequest, context: Context) -> DetectResponse:
        await context.abort(grpc.StatusCode.ABORTED, "as the servicer says")

    async with serving(detect=detect) as served:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.keypoints.Detect(DetectRequest())
    assert raised.value.code() == grpc.StatusCode.ABORTED
    assert raised.value.details() == "as the servicer says"


async def test_bytes_that_are_no_request_are_invalid_input() -> None:
    async with serving() as served:
        detect: Any = served.channel.unary_unary("/motioncast.v1.KeypointService/Detect")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await detect(b"\xff\xff\xff")
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.details() == "message: 3 bytes are not a request of Detect"


async def test_a_method_that_nobody_serves_is_unimplemented() -> None:
    async with serving() as served:
        dance: Any = served.channel.unary_unary("/motioncast.v1.KeypointService/Dance")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await dance(b"")
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_client_that_leaves_while_it_is_sent_to_is_no_error_and_the_servicer_cleans_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[str] = []

    async def stream(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        try:
            while True:
                yield StreamResponse(config=StreamConfig(model="m" * 100_000))
        finally:
            ended.append("cleaned up")

    async with serving(stream=stream) as served:
        for _ in range(20):
            call = served.motion.Stream()
            await call.read()
            call.cancel()
        await served.until(lambda: served.metric("motioncast_calls_in_flight") == 0)
        cancelled = served.metric(
            "grpc_server_handled_total",
            grpc_type="bidi_stream",
            grpc_service=MOTION_SERVICE,
            grpc_method="Stream",
            grpc_code="CANCELLED",
        )
    assert len(ended) == cancelled == 20
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_failing_call_leaves_the_others_alone() -> None:
    async def detect(request: DetectRequest, context: Context) -> DetectResponse:
        if request.model == "bad":
            raise RuntimeError("boom")
        return DetectResponse(inference_ms=3)

    async with serving(detect=detect) as served:
        bad = served.keypoints.Detect(DetectRequest(model="bad"))
        good = served.keypoints.Detect(DetectRequest(model="good"))
        assert (await good).inference_ms == 3
        assert await bad.code() == grpc.StatusCode.INTERNAL
