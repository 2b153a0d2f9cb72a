"""Sessions driven message by message, for requests the SDK would not send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio
import numpy as np
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from numpy.typing import NDArray

from motioncast.v1.common_pb2 import CodedKeypoints, Image, KeypointSet
from motioncast.v1.motion_transfer_pb2 import (
    DrivingFrame,
    KeypointPacket,
    ResultFrame,
    SourceImage,
    StreamConfig,
    StreamReport,
    StreamRequest,
    StreamResponse,
)
from motioncast.v1.motion_transfer_pb2_grpc import MotionTransferServiceStub
from motioncast.wire.images import encode_image
from motioncast.wire.keypoints import encode_keypoints

if TYPE_CHECKING:  # exists only in the stubs
    from motioncast.v1.motion_transfer_pb2_grpc import MotionTransferServiceAsyncStub

Stub: TypeAlias = "MotionTransferServiceAsyncStub"
TIMEOUT_SECONDS = 60.0  # ends a hanging test

_LETTERS = {1: "O", 2: "P", 3: "C"}


@asynccontextmanager
async def open_stub(target: str) -> AsyncIterator[Stub]:
    """Connects to an orchestrator."""
    async with grpc.aio.insecure_channel(target) as channel:
        yield MotionTransferServiceStub(channel)


def config(**fields: Any) -> StreamRequest:
    return StreamRequest(config=StreamConfig(**fields))


def source(
    image: NDArray[np.uint8] | Image, keypoints: NDArray[np.float32] | None = None
) -> StreamRequest:
    message = SourceImage(image=as_image(image))
    if keypoints is not None:
        message.keypoints.CopyFrom(encode_keypoints(keypoints))
    return StreamRequest(source=message)


def frame(index: int, image: NDArray[np.uint8] | Image) -> StreamRequest:
    return StreamRequest(frame=DrivingFrame(index=index, image=as_image(image)))


def packet(index: int, keypoints: NDArray[np.float32] | KeypointSet) -> StreamRequest:
    if not isinstance(keypoints, KeypointSet):
        keypoints = encode_keypoints(keypoints)
    return StreamRequest(keypoints=KeypointPacket(index=index, keypoints=keypoints))


def coded(data: bytes) -> StreamRequest:
    return StreamRequest(coded=CodedKeypoints(data=data))


def as_image(image: NDArray[np.uint8] | Image) -> Image:
    return image if isinstance(image, Image) else encode_image(image)


class Session:
    """All responses of a session."""

    def __init__(self, responses: list[StreamResponse]) -> None:
        self.kinds = [response.WhichOneof("message") for response in responses]
        self.config = responses[0].config
        self.frames: list[ResultFrame] = [
            response.frame for response in responses if response.HasField("frame")
        ]
        self.report: StreamReport = responses[-1].report

    @property
    def origins(self) -> str:
        """One letter per frame: O, P or C."""
        return "".join(_LETTERS[frame.origin] for frame in self.frames)

    def images(self) -> Iterator[NDArray[np.uint8]]:
        for one in self.frames:
            pixels = np.frombuffer(one.image.data, np.uint8)
            yield pixels.reshape(one.image.height, one.image.width, 3)


async def cast(target: str, requests: Iterable[StreamRequest]) -> Session:
    """Sends all requests, half-closes, and returns the responses.

    Uses grpc's blocking client in a thread: the asyncio client reports INTERNAL instead of the
    server's status if the server ends a call while a message is being written.
    """

    def block() -> Session:
        with grpc.insecure_channel(target) as channel:
            stub = MotionTransferServiceStub(channel)
            return Session(list(stub.Stream(iter(requests), timeout=TIMEOUT_SECONDS)))

    with ThreadPoolExecutor(1) as thread:
        return await asyncio.get_running_loop().run_in_executor(thread, block)


def broken_field(error: Any) -> str:
    """Returns the field named in an error's details; empty if there is none."""
    status = rpc_status.from_call(error)
    assert status is not None
    for detail in status.details:
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(bad_request):
            return str(bad_request.field_violations[0].field)
    return ""
