"""Behaviour common to the asyncio and the blocking client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from support.mirror import Held, mirror
from support.tiny_services import serving

from motioncast.client import (
    DeadlineExceededError,
    InvalidRequestError,
    Mode,
    MotioncastError,
    Origin,
    OutOfOrderError,
    OverloadedError,
    Pixels,
    ServerError,
    UnavailableError,
    UnknownModelError,
)
from motioncast.serving import Context
from motioncast.v1.motion_transfer_pb2 import StreamRequest, StreamResponse
from motioncast.wire import errors as wire

Cast = Callable[..., Coroutine[Any, Any, Any]]


def video(count: int, height: int = 4, width: int = 6) -> Pixels:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, height, width, 3), np.uint8)


def endless() -> Iterator[Pixels]:
    while True:
        yield video(1)[0]


def failing(error: Exception) -> Any:
    async def stream(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for response in mirror(requests, context):
            yield response
            raise error

    return stream


async def test_what_is_sent_comes_back(cast: Cast) -> None:
    frames = video(7)
    async with serving(stream=mirror) as served:
        result = await cast(served.server.address, frames, observed=1, predicted=1)
    assert [frame.index for frame in result.frames] == [0, 2, 4, 6]
    assert {frame.origin for frame in result.frames} == {Origin.OBSERVED}
    np.testing.assert_array_equal([frame.image for frame in result.frames], frames[::2])
    np.testing.assert_array_equal(result.frames[0].keypoints, [[0, 0, 0.5]])
    assert result.report.observed_frames == 4
    assert (result.config.observed, result.config.predicted) == (1, 1)
    assert (result.config.height, result.config.width, result.config.keypoints) == (4, 6, 1)
    assert (result.config.mode, result.config.frame_count) == (Mode.RECONSTRUCTION, 7)


async def test_png_loses_nothing(cast: Cast) -> None:
    frames = video(2)
    async with serving(stream=mirror) as served:
        result = await cast(served.server.address, frames, encoding="png")
    np.testing.assert_array_equal([frame.image for frame in result.frames], frames)


async def test_jpeg_loses_little_of_a_smooth_picture(cast: Cast) -> None:
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    frame = np.broadcast_to(ramp[:, np.newaxis, np.newaxis], (32, 32, 3))
    async with serving(stream=mirror) as served:
        result = await cast(served.server.address, [frame], encoding="jpeg")
    assert np.abs(result.frames[0].image.astype(int) - frame).max() < 8


async def test_what_comes_back_is_not_to_be_drawn_on(cast: Cast) -> None:
    async with serving(stream=mirror) as served:
        result = await cast(served.server.address, video(1))
    with pytest.raises(ValueError, match="read-only"):
        result.frames[0].image[0] = 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (wire.OutOfOrderError("index: 3 came after 5"), OutOfOrderError),
        (wire.UnknownModelError("model: no 'lite999' is served"), UnknownModelError),
        (wire.UnavailableError("the synthesis service does not answer"), UnavailableError),
        (wire.DeadlineError("predictor: too late"), DeadlineExceededError),
    ],
)
async def test_a_refusal_has_a_name_and_the_servers_sentence(
    cast: Cast, error: wire.DomainError, kind: type[MotioncastError]
) -> None:
    async with serving(stream=failing(error)) as served:
        with pytest.raises(kind) as caught:
            await cast(served.server.address, video(1))
    assert str(caught.value) == str(error)


async def test_a_refused_field_is_named(cast: Cast) -> None:
    error = wire.InvalidInputError.of("frame.image", "8 x 8 pixels, but the model takes 4 x 4")
    async with serving(stream=failing(error)) as served:
        with pytest.raises(InvalidRequestError, match=r"^frame\.image: 8 x 8 pixels") as caught:
            await cast(served.server.address, video(1))
    assert caught.value.field == "frame.image"


async def test_an_overloaded_server_says_when_to_come_back(cast: Cast) -> None:
    error = wire.ExhaustedError("too many sessions", retry_after_seconds=1.5)
    async with serving(stream=failing(error)) as served:
        with pytest.raises(OverloadedError, match=r"^too many sessions$") as caught:
            await cast(served.server.address, video(1))
    assert caught.value.retry_after_seconds == 1.5


async def test_what_the_server_did_not_foresee_is_an_internal_error(cast: Cast) -> None:
    async with serving(stream=failing(ZeroDivisionError())) as served:
        with pytest.raises(ServerError, match=r"internal error$") as caught:
            await cast(served.server.address, video(1))
    assert caught.value.code == "INTERNAL"


async def test_a_call_that_the_server_cancels_is_no_cancellation_here(cast: Cast) -> None:
    async def stream(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for _ in requests:
            await context.abort(grpc.StatusCode.CANCELLED, "on a whim")
        yield StreamResponse()

    async with serving(stream=stream) as served:
        with pytest.raises(ServerError, match="on a whim") as caught:
            await cast(served.server.address, video(1))
    assert caught.value.code == "CANCELLED"


async def test_a_call_that_is_cut_off_without_a_word_is_unavailable(cast: Cast) -> None:
    """gRPC does this to calls that outlive the grace period of a stopping server."""

    async def stream(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for _ in requests:
            await context.abort(grpc.StatusCode.CANCELLED)
        yield StreamResponse()

    async with serving(stream=stream) as served:
        with pytest.raises(UnavailableError, match="closed the call without a status"):
            await cast(served.server.address, video(1))


async def test_a_timeout_says_how_long_it_was(cast: Cast) -> None:
    held = Held()
    async with serving(stream=held.stream) as served:
        with pytest.raises(DeadlineExceededError, match=r": not finished within 0\.2 s$"):
            await cast(served.server.address, video(1), timeout=0.2)
        if held.entered.is_set():  # if the call got that far in time
            await held.left.wait()


async def test_a_server_of_something_else_is_recognised(cast: Cast) -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        with pytest.raises(ServerError, match=r"does not serve MotionTransferService") as caught:
            await cast(f"127.0.0.1:{port}", video(1))
    finally:
        await server.stop(None)
    assert caught.value.code == "UNIMPLEMENTED"


async def test_a_server_that_vanishes_is_unavailable(cast: Cast) -> None:
    relay = await Relay.start()
    held = Held()
    async with serving(stream=held.stream) as served:
        target = await relay.listen(served.server.address)
        session = asyncio.create_task(cast(target, video(1)))
        await held.entered.wait()
        relay.cut()
        with pytest.raises(UnavailableError, match=rf"^{target} does not answer: "):
            await session


async def test_an_error_while_reading_the_video_reaches_the_caller(cast: Cast) -> None:
    def broken() -> Iterator[Pixels]:
        yield from video(3)
        raise LookupError("the camera is gone")

    async with serving(stream=mirror) as served:
        with pytest.raises(LookupError, match=r"^'?the camera is gone"):
            await cast(served.server.address, broken())


async def test_a_frame_that_is_none_ends_the_session(cast: Cast) -> None:
    frames = [*video(3), np.zeros((4, 6), np.uint8)]
    async with serving(stream=mirror) as served:
        with pytest.raises(InvalidRequestError, match=r"^frames\[3\]: shape \(4, 6\)"):
            await cast(served.server.address, frames)


async def test_an_empty_video_is_refused(cast: Cast) -> None:
    async with serving(stream=mirror) as served:
        with pytest.raises(InvalidRequestError, match=r"^the video is empty$"):
            await cast(served.server.address, [])


async def test_a_video_that_is_none_is_a_mistake_in_the_code(cast: Cast) -> None:
    async with serving(stream=mirror) as served:
        with pytest.raises(TypeError, match="not iterable"):
            await cast(served.server.address, 5)


async def test_an_endless_video_is_read_up_to_the_frame_count(cast: Cast) -> None:
    async with serving(stream=mirror) as served:
        result = await cast(served.server.address, endless(), predicted=0, frame_count=12)
    assert [frame.index for frame in result.frames] == list(range(12))


async def test_a_server_may_end_before_the_video_does(cast: Cast) -> None:
    async def three(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async def some() -> AsyncIterator[StreamRequest]:
            async for request in requests:
                if request.HasField("frame") and request.frame.index == 3:
                    return
                yield request

        async for response in mirror(some(), context):
            yield response

    async with serving(stream=three) as served:
        result = await cast(served.server.address, endless(), predicted=0)
    assert result.report.observed_frames == 3


async def test_a_message_over_the_limit_of_this_side_is_refused(cast: Cast) -> None:
    async with serving(stream=mirror) as served:
        with pytest.raises(OverloadedError, match="larger than max"):
            await cast(
                served.server.address, video(1, 64, 64), connection={"max_message_bytes": 9000}
            )


class Relay:
    """A TCP relay in front of a server that can cut connections."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    @classmethod
    async def start(cls) -> Relay:
        return cls()

    async def listen(self, target: str) -> str:
        host, port = target.rsplit(":", 1)

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
            self._writers += [writer, there_writer]
            await asyncio.gather(
                pump(reader, there_writer), pump(there_reader, writer), return_exceptions=True
            )

        self._server = await asyncio.start_server(relay, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
