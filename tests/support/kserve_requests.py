"""Requests for tests of the KServe v2 server, made from the published message types."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
import grpc.aio
import numpy as np
import pytest
from support.kserve_server import KServeServed
from support.toy_models import image_with_points, keypoints_of_points
from tritonclient.grpc import service_pb2

IMAGE: Final = image_with_points((3, 4), (5, 6))[np.newaxis]
KEYPOINTS: Final = keypoints_of_points((3, 4), (5, 6))[np.newaxis]
SUM: Final = """
sum (uint8[N] bytes, float[N] floats, bool[N] flags, int64[N] wide) => (float[N] total)
{
    b = Cast<to = 1>(bytes)
    f = Cast<to = 1>(flags)
    w = Cast<to = 1>(wide)
    bf = Add(b, f)
    bfw = Add(bf, w)
    total = Add(bfw, floats)
}
"""


def request(**changes: Any) -> Any:
    """Returns a ModelInferRequest for IMAGE with some fields changed."""
    fields = {
        "model_name": "toy_keypoint",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": IMAGE.shape}],
        "raw_input_contents": [IMAGE.tobytes()],
    }
    return service_pb2.ModelInferRequest(**{**fields, **changes})


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """Returns the status code and message of a failing call."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), raised.value.details() or ""


async def runs(served: KServeServed, calls: int) -> None:
    """Waits until a number of calls are in flight."""
    value = served.server.metrics.registry.get_sample_value
    async with asyncio.timeout(30):
        while value("motioncast_calls_in_flight") != calls:
            await served.stub.ServerLive(service_pb2.ServerLiveRequest())
