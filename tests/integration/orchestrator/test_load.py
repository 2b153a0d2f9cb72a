"""Sessions that would delay others are refused at once, with a retry delay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc import StatusCode
from grpc_status import rpc_status
from support.raw_sessions import cast, config, open_stub, packet, source

from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import OrchestratorSettings
from motioncast.orchestrator.lateness import LEAST_GROUPS
from motioncast.v1.motion_transfer_pb2 import StreamRequest

IMAGE = np.full((16, 16, 3), 100, np.uint8)
POINTS = np.array([[0.0, 0.0, 0.5], [0.5, 0.5, 0.5]], dtype=np.float32)
A_NANOSECOND = OrchestratorSettings(latency_target_seconds=1e-9)  # every group takes longer


@pytest.fixture
async def local(toy_repository: Path) -> AsyncIterator[LocalServices]:
    settings = LocalSettings(
        repository=toy_repository, drain_grace_seconds=0.5, orchestrator=A_NANOSECOND
    )
    async with LocalServices(settings) as local:
        yield local


def one_frame() -> Iterator[StreamRequest]:
    yield config(frame_rate=1)  # a negligible share of capacity
    yield source(IMAGE, POINTS)
    yield packet(0, POINTS)


def sample(local: LocalServices, name: str, **labels: str) -> float | None:
    return local.servers["orchestrator"].metrics.registry.get_sample_value(name, labels)


async def test_who_would_make_others_late_is_refused_and_told_when_to_come_again(
    local: LocalServices,
) -> None:
    for _ in range(LEAST_GROUPS):  # a lone session is always admitted
        assert (await cast(local.target, one_frame())).origins == "O"
    async with open_stub(local.target) as stub:
        holding = stub.Stream()
        for request in one_frame():
            await holding.write(request)
        responses = aiter(holding)
        assert (await anext(responses)).HasField("config")
        with pytest.raises(grpc.RpcError, match=r"load: .* the target is 0 ms") as refused:
            await cast(local.target, one_frame())
        assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
        assert retry_seconds(refused.value) == 2.0
        assert sample(local, "motioncast_sessions_refused_total", reason="latency") == 1
        assert sample(local, "motioncast_sessions_admitted_total") == LEAST_GROUPS + 1
        assert (await anext(responses)).HasField("frame")  # the admitted session continues
        await holding.done_writing()
        assert (await anext(responses)).HasField("report")


async def test_what_a_frame_takes_is_measured_before_anybody_comes(local: LocalServices) -> None:
    cost = 0.0
    while not cost:  # measured once the services are ready
        async with open_stub(local.target) as stub:
            holding = stub.Stream()
            await holding.write(config(frame_rate=240))
            assert (await anext(aiter(holding))).HasField("config")
            cost = sample(local, "motioncast_load") or 0.0
            holding.cancel()
    assert sample(local, "motioncast_frames_total", origin="observed") == 0


def retry_seconds(error: Any) -> float:
    """Returns the retry delay of a refusal, in seconds."""
    status = rpc_status.from_call(error)
    assert status is not None
    for detail in status.details:
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(retry):
            return float(retry.retry_delay.ToTimedelta().total_seconds())
    raise AssertionError("it says nothing of that")
