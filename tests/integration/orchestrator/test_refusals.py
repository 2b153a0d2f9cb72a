"""Every error in a session ends it with one status, one sentence and the field's name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from support.raw_sessions import broken_field, cast, config, frame, packet, source

from motioncast.local import LocalServices
from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.motion_transfer_pb2 import StreamRequest
from motioncast.v1.motion_transfer_pb2_grpc import MotionTransferServiceStub
from motioncast.wire.images import JPEG, PNG, encode_image

IMAGE = np.full((16, 16, 3), 100, np.uint8)
POINTS = np.array([[0.0, 0.0, 0.5], [0.5, 0.5, 0.5]], dtype=np.float32)
FRAME, SOURCE, PACKET = frame(0, IMAGE), source(IMAGE), packet(0, POINTS)
UNKNOWN_ENCODING = Image(encoding=99, data=b"123")  # type: ignore[arg-type]  # that is the point
JPEG_FILE = encode_image(IMAGE, JPEG).data
NAN, INFINITY = float("nan"), float("inf")


def points(x: Sequence[float] = (0, 0), intensity: Sequence[float] = (1, 1)) -> KeypointSet:
    return KeypointSet(x=x, y=[0, 0], intensity=intensity)


REFUSALS = {
    # name: (requests, status, field, part of the sentence)
    "nothing at all": ([], "FAILED_PRECONDITION", "config", "ended before the configuration"),
    "an empty message": ([StreamRequest()], "INVALID_ARGUMENT", "message", "none of config"),
    "the source first": ([SOURCE], "FAILED_PRECONDITION", "source", "before the configuration"),
    "a frame first": ([FRAME], "FAILED_PRECONDITION", "frame", "before the configuration"),
    "keypoints first": ([PACKET], "FAILED_PRECONDITION", "keypoints", "before the configuration"),
    "the configuration alone": (
        [config()],
        "FAILED_PRECONDITION",
        "source",
        "the stream ended before the source image",
    ),
    "two configurations": ([config(), config()], "FAILED_PRECONDITION", "config", "was sent twice"),
    "a frame before the source": (
        [config(), FRAME],
        "FAILED_PRECONDITION",
        "frame",
        "before the source image",
    ),
    "keypoints before the source": (
        [config(), PACKET],
        "FAILED_PRECONDITION",
        "keypoints",
        "before the source image",
    ),
    "a late configuration": (
        [config(), SOURCE, FRAME, config()],
        "FAILED_PRECONDITION",
        "config",
        "was sent twice",
    ),
    "an empty message later": (
        [config(), SOURCE, StreamRequest()],
        "INVALID_ARGUMENT",
        "message",
        "none of config",
    ),
    "an unknown model": (
        [config(model="lite129")],
        "NOT_FOUND",
        "config.model",
        "no model named lite129 is served (expected one of toy)",
    ),
    "no observed frame": (
        [config(observed_frames=0)],
        "INVALID_ARGUMENT",
        "config.observed_frames",
        "0 is less than 1",
    ),
    "too many observed frames": (
        [config(observed_frames=257)],
        "INVALID_ARGUMENT",
        "config.observed_frames",
        "257 exceeds the limit of 256",
    ),
    "too many predicted frames": (
        [config(predicted_frames=257)],
        "INVALID_ARGUMENT",
        "config.predicted_frames",
        "257 exceeds the limit of 256",
    ),
    "a frame rate of NaN": (
        [config(frame_rate=NAN)],
        "INVALID_ARGUMENT",
        "config.frame_rate",
        "nan is out of range (0, 240]",
    ),
    "a frame rate of 0": (
        [config(frame_rate=0)],
        "INVALID_ARGUMENT",
        "config.frame_rate",
        "0 is out of range",
    ),
    "an infinite frame rate": (
        [config(frame_rate=INFINITY)],
        "INVALID_ARGUMENT",
        "config.frame_rate",
        "inf is out of range",
    ),
    "no frame at all": (
        [config(frame_count=0)],
        "INVALID_ARGUMENT",
        "config.frame_count",
        "0 is less than 1",
    ),
    "a mode that there is not": ([config(mode=7)], "INVALID_ARGUMENT", "config.mode", "7 is not"),
    "relative motion of the first frame": (
        [config(relative_motion=True)],
        "INVALID_ARGUMENT",
        "config.relative_motion",
        "only supported in transfer mode",
    ),
    "an output encoding that there is not": (
        [config(output_encoding=9)],
        "INVALID_ARGUMENT",
        "config.output_encoding",
        "9 is not a known encoding",
    ),
    "a source of another size": (
        [config(), source(np.zeros((10, 20, 3), np.uint8))],
        "INVALID_ARGUMENT",
        "source.image",
        "20 x 10 pixels, but the model takes 16 x 16",
    ),
    "an empty source": (
        [config(), source(Image())],
        "INVALID_ARGUMENT",
        "source.image.data",
        "the image is empty",
    ),
    "source keypoints of another model": (
        [config(), source(IMAGE, POINTS[:1])],
        "INVALID_ARGUMENT",
        "source.keypoints.x",
        "1 values, but the model has 2 keypoints",
    ),
    "a frame of another size": (
        [config(), SOURCE, frame(0, np.zeros((8, 8, 3), np.uint8))],
        "INVALID_ARGUMENT",
        "frame.image",
        "8 x 8 pixels",
    ),
    "a frame with too few bytes": (
        [config(), SOURCE, frame(0, Image(height=16, width=16, data=b"123"))],
        "INVALID_ARGUMENT",
        "frame.image.data",
        "3 bytes, but 16 x 16 RGB pixels take 768",
    ),
    "a corrupt JPEG": (
        [config(), SOURCE, frame(0, Image(encoding=JPEG, data=JPEG_FILE[:60]))],
        "INVALID_ARGUMENT",
        "frame.image.data",
        "not a readable JPEG image",
    ),
    "a JPEG that says it is a PNG": (
        [config(), SOURCE, frame(0, Image(encoding=PNG, data=JPEG_FILE))],
        "INVALID_ARGUMENT",
        "frame.image.data",
        "not a readable PNG image",
    ),
    "an encoding that there is not": (
        [config(), SOURCE, frame(0, UNKNOWN_ENCODING)],
        "INVALID_ARGUMENT",
        "frame.image.encoding",
        "99 is not a known encoding",
    ),
    "keypoints of another model": (
        [config(), SOURCE, packet(0, np.zeros((3, 3), np.float32))],
        "INVALID_ARGUMENT",
        "keypoints.keypoints.x",
        "3 values, but the model has 2 keypoints",
    ),
    "NaN keypoints": (
        [config(), SOURCE, packet(0, points(x=(0, NAN)))],
        "INVALID_ARGUMENT",
        "keypoints.keypoints.x",
        "not finite",
    ),
    "infinite intensity": (
        [config(), SOURCE, packet(0, points(intensity=(INFINITY, 0)))],
        "INVALID_ARGUMENT",
        "keypoints.keypoints.intensity",
        "not finite",
    ),
    "keypoints out of range": (
        [config(), SOURCE, packet(0, points(x=(0, -1.5)))],
        "INVALID_ARGUMENT",
        "keypoints.keypoints.x",
        "-1.5 is out of range [-1, 1]",
    ),
    "an index twice": (
        [config(), SOURCE, packet(0, POINTS), packet(0, POINTS)],
        "FAILED_PRECONDITION",
        "index",
        "0 is out of order",
    ),
    "an index that goes back": (
        [config(), SOURCE, packet(5, POINTS), packet(3, POINTS)],
        "FAILED_PRECONDITION",
        "index",
        "3 is out of order after 5; expected 6 or later",
    ),
    "a frame that was forecast already": (
        [config(predicted_frames=1), SOURCE, packet(0, POINTS), packet(1, POINTS)],
        "FAILED_PRECONDITION",
        "index",
        "1 is too late",
    ),
    "a frame past the end": (
        [config(frame_count=2), SOURCE, packet(0, POINTS), packet(2, POINTS)],
        "INVALID_ARGUMENT",
        "index",
        "2 is past the end, frame_count is 2",
    ),
    "a jump too far": (
        [config(), SOURCE, packet(2**64 - 1, POINTS)],
        "INVALID_ARGUMENT",
        "index",
        "the limit is 1023",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_is_refused(target: str, name: str) -> None:
    requests, code, field, sentence = REFUSALS[name]
    with pytest.raises(grpc.RpcError) as refused:
        await cast(target, requests)
    assert refused.value.code() is StatusCode[code]
    assert broken_field(refused.value) == field
    details = refused.value.details() or ""
    assert sentence in details
    assert details.startswith(f"{field}: ")


async def test_what_was_right_before_comes_back_first(local: LocalServices) -> None:
    requests = [config(), SOURCE, packet(0, POINTS), packet(1, POINTS), packet(0, POINTS)]
    kinds: list[str | None] = []

    def receive() -> None:
        with grpc.insecure_channel(local.target) as channel:
            for response in MotionTransferServiceStub(channel).Stream(iter(requests)):
                kinds.append(response.WhichOneof("message"))

    with pytest.raises(grpc.RpcError, match="is out of order"):
        await asyncio.to_thread(receive)
    assert kinds == ["config", "frame", "frame"]


async def test_a_message_over_the_limit(target: str) -> None:
    huge = Image(height=2000, width=2000, data=bytes(9_000_000))
    with pytest.raises(grpc.RpcError, match="exceed the limit of 8388608") as refused:
        await cast(target, [config(), SOURCE, frame(0, huge)])
    assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
