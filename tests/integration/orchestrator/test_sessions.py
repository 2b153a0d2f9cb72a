"""Sessions are independent, bounded in memory, and leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from prometheus_client import CollectorRegistry
from support.endless_models import build_endless_repository
from support.raw_sessions import Stub, cast, config, frame, open_stub, packet, source

from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import OrchestratorSettings, seats
from motioncast.orchestrator.accounting import Accounting, VideoSize
from motioncast.orchestrator.backends import Backends
from motioncast.orchestrator.configuration import decode_config
from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.orchestrator.services_pipeline import ServicesPipeline
from motioncast.orchestrator.session import Session
from motioncast.serving import Deadline
from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest, StreamResponse

IMAGE = np.full((16, 16, 3), 100, np.uint8)
POINTS = np.array([[0.0, 0.0, 0.5], [0.5, 0.5, 0.5]], dtype=np.float32)
MERGE_FRAMES = 8


def sessions_now(local: LocalServices) -> float | None:
    registry = local.servers["orchestrator"].metrics.registry
    return registry.get_sample_value("motioncast_sessions")


async def first(call: AsyncIterable[StreamResponse]) -> StreamResponse:
    """Returns the first response."""
    return await anext(aiter(call))


async def until(condition: Callable[[], bool]) -> None:
    """Waits until the condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


async def test_sessions_at_once_do_not_mix(target: str) -> None:
    def requests(x: float) -> list[StreamRequest]:
        points = np.array([[x, 0.0, 0.5], [0.0, 0.0, 0.5]], dtype=np.float32)
        packets = [packet(index, points) for index in (0, 1, 4, 5, 8, 9)]
        return [config(observed_frames=2, predicted_frames=2), source(IMAGE), *packets]

    places = np.linspace(-1, 1, 16).tolist()
    sessions = await asyncio.gather(*(cast(target, requests(x)) for x in places))
    for x, session in zip(places, sessions, strict=True):
        assert session.origins == "OOPP" * 3
        # The keypoints rest, and so does the forecast.
        assert [one.keypoints.x[0] for one in session.frames] == pytest.approx([x] * 12)


async def test_a_failing_session_leaves_the_others_untouched(target: str) -> None:
    good = [config(), source(IMAGE), *(frame(index, IMAGE) for index in range(20))]
    bad = [config(), source(IMAGE), frame(0, IMAGE), frame(0, IMAGE)]
    results = await asyncio.gather(
        *(cast(target, requests) for requests in [good, bad] * 5), return_exceptions=True
    )
    for session in results[::2]:
        assert not isinstance(session, BaseException)
        assert session.origins == "O" * 20
    assert all(isinstance(error, grpc.RpcError) for error in results[1::2])


class Flood:
    """A client that always has another message ready; counts the messages read from it."""

    def __init__(self, messages: int, observed: int, predicted: int) -> None:
        self.taken = 0
        self._messages = messages
        self._pattern = (observed, observed + predicted)

    async def __aiter__(self) -> AsyncIterator[StreamRequest]:
        yield source(IMAGE, POINTS)
        observed, group = self._pattern
        for number in range(self._messages):
            self.taken += 1
            yield frame(number // observed * group + number % observed, IMAGE)


@pytest.mark.parametrize(("observed", "predicted"), [(1, 0), (5, 5), (256, 0), (1, 256)])
async def test_memory_of_a_session_is_bounded(
    local: LocalServices, observed: int, predicted: int
) -> None:
    flood = Flood(1000, observed, predicted)
    async with Backends(local.addresses, 30) as backends:
        models = await backends.list_models(Deadline())
        wanted = StreamConfig(observed_frames=observed, predicted_frames=predicted)
        accounting = Accounting(VideoSize(768, 25), OrchestratorMetrics(CollectorRegistry()))
        session = Session(
            decode_config(wanted, models),
            ServicesPipeline(backends),
            Deadline(),
            MERGE_FRAMES,
            accounting,
        )
        responses = session.run(aiter(flood))
        # Five stages, each holding at most one stretch of at most 32 frames.
        bound = 5 * min(32, max(MERGE_FRAMES, observed))
        due = 0
        for _ in range(400):
            response = await anext(responses)
            due = response.frame.index // (observed + predicted) * observed
            assert flood.taken <= due + observed + bound
        # Now the client stops reading while other sessions run.
        others = [config(), source(IMAGE), *(packet(t, POINTS) for t in range(100))]
        await cast(local.target, others)
        assert flood.taken <= due + observed + bound
        await responses.aclose()


async def test_a_client_that_leaves_frees_its_session(local: LocalServices, stub: Stub) -> None:
    async def endless() -> AsyncIterator[StreamRequest]:
        yield config()
        yield source(IMAGE)
        index = 0
        while True:
            yield packet(index, POINTS)
            index += 1

    call = stub.Stream(endless())
    assert (await first(call)).HasField("config")
    assert sessions_now(local) == 1
    call.cancel()
    await until(lambda: sessions_now(local) == 0)


async def test_a_client_that_falls_silent_holds_nobody_up(local: LocalServices, stub: Stub) -> None:
    silent = stub.Stream()
    await silent.write(config())
    assert (await first(silent)).HasField("config")
    session = await cast(local.target, [config(), source(IMAGE), packet(0, POINTS)])
    assert session.origins == "O"
    silent.cancel()
    await until(lambda: sessions_now(local) == 0)


async def test_a_session_too_many_is_refused_in_words(
    toy_repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "_SILENT_SECONDS", 600.0)  # tolerates a slow machine
    settings = LocalSettings(
        repository=toy_repository, orchestrator=OrchestratorSettings(max_sessions=1)
    )
    async with LocalServices(settings) as local, open_stub(local.target) as stub:
        alone = stub.Stream()
        await alone.write(config())
        responses = aiter(alone)
        assert (await anext(responses)).HasField("config")
        await alone.write(source(IMAGE))
        await alone.write(packet(0, POINTS))
        assert (await anext(responses)).HasField("frame")
        with pytest.raises(grpc.RpcError, match="the limit is 1") as refused:
            await cast(local.target, [config(), source(IMAGE)])
        assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
        await alone.done_writing()
        assert (await anext(responses)).HasField("report")
        await until(lambda: sessions_now(local) == 0)
        assert (await cast(local.target, [config(), source(IMAGE)])).kinds == ["config", "report"]


async def test_the_deadline_of_a_session_holds(tmp_path: Path) -> None:
    repository = build_endless_repository(tmp_path)
    async with LocalServices(LocalSettings(repository=repository)) as local:
        async with open_stub(local.target) as stub:
            call = stub.Stream(iter([config(), source(IMAGE)]), timeout=0.3)
            assert await call.code() is StatusCode.DEADLINE_EXCEEDED
        await until(lambda: sessions_now(local) == 0)
