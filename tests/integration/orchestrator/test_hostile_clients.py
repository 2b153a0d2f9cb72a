"""Hostile sessions are bounded and do not affect other sessions."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from support.http import get
from support.raw_sessions import Stub, broken_field, cast, config, frame, open_stub, packet, source
from support.toy_ensembles import build_joined_repository
from support.toy_models import build_toy_repository

from motioncast.local import LocalServices, LocalSettings, Ports
from motioncast.orchestrator import OrchestratorSettings, seats
from motioncast.v1.motion_transfer_pb2 import StreamRequest

IMAGE = np.full((16, 16, 3), 100, np.uint8)
POINTS = np.array([[0.0, 0.0, 0.5], [0.5, 0.5, 0.5]], dtype=np.float32)
GOOD = [config(), source(IMAGE), *(frame(t, IMAGE) for t in range(10))]


async def test_more_frames_than_a_week_has_are_not_declared(target: str) -> None:
    with pytest.raises(grpc.RpcError, match="18446744073709551615 exceeds the limit of") as refused:
        await cast(target, [config(frame_count=2**64 - 1), source(IMAGE), packet(0, POINTS)])
    assert refused.value.code() is StatusCode.INVALID_ARGUMENT
    assert broken_field(refused.value) == "config.frame_count"


async def test_frames_that_were_declared_and_never_came_are_not_made_for_ever(target: str) -> None:
    requests = [config(frame_count=2000), source(IMAGE), packet(0, POINTS)]
    with pytest.raises(grpc.RpcError, match="last 1999 never arrived; the limit is 10") as refused:
        await cast(target, requests)
    assert refused.value.code() is StatusCode.INVALID_ARGUMENT
    assert broken_field(refused.value) == "config.frame_count"


async def test_as_many_as_can_have_been_lost_are_concealed(target: str) -> None:
    requests = [config(frame_count=1025), source(IMAGE), packet(0, POINTS)]
    assert (await cast(target, requests)).origins == "O" + "C" * 1024


@pytest.mark.parametrize(
    "said",
    [[], [config()], [config(), source(IMAGE)], [config(), source(IMAGE), packet(0, POINTS)]],
    ids=["nothing", "a configuration", "a source", "a frame"],
)
async def test_a_session_that_falls_silent_ends_in_words(
    toy_repository: Path, said: list[StreamRequest]
) -> None:
    settings = LocalSettings(repository=toy_repository, silence_seconds=0.2)
    async with LocalServices(settings) as local, open_stub(local.target) as stub:
        call = stub.Stream()
        # On a busy machine the session may end before everything is sent.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for request in said:
                await call.write(request)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            [response async for response in call]
        assert ended.value.code() is StatusCode.DEADLINE_EXCEEDED
        assert ended.value.details() == "stream: the client sent nothing for 0.2 s"
        sessions = local.servers["orchestrator"].metrics.registry
        while sessions.get_sample_value("motioncast_sessions"):
            await asyncio.sleep(0)  # until its place is free again


async def begin(stub: Stub, count: int) -> list[object]:
    """Starts sessions that receive a frame and then stay silent while they are referenced."""
    kept: list[object] = []
    for _ in range(count):
        call = stub.Stream()
        for request in (config(), source(IMAGE), packet(0, POINTS)):
            await call.write(request)
        responses = aiter(call)
        assert (await anext(responses)).HasField("config")
        assert (await anext(responses)).HasField("frame")
        kept += [call, responses]
    return kept


async def refusal(stub: Stub) -> str:
    """Returns the error of a silent session beyond the limit."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        [response async for response in stub.Stream()]
    assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
    return refused.value.details() or ""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents running sessions from being dropped for silence on a slow machine."""
    monkeypatch.setattr(seats, "_SILENT_SECONDS", 600.0)


async def test_one_peer_has_a_quarter_of_the_places(toy_repository: Path, patient: None) -> None:
    settings = LocalSettings(
        repository=toy_repository,
        silence_seconds=60,
        orchestrator=OrchestratorSettings(max_sessions=12),
    )
    async with LocalServices(settings) as local, open_stub(local.target) as stub:
        kept = await begin(stub, 3)
        told = await refusal(stub)
        assert (await cast(local.target, GOOD)).origins == "O" * 10  # from another connection
    assert kept
    assert told == "sessions: you have 3, the limit per peer is 3"


async def test_a_peer_may_be_given_more_places(toy_repository: Path, patient: None) -> None:
    limits = OrchestratorSettings(max_sessions=4, max_sessions_per_peer=3)
    settings = LocalSettings(repository=toy_repository, silence_seconds=60, orchestrator=limits)
    async with LocalServices(settings) as local, open_stub(local.target) as stub:
        kept = await begin(stub, 3)
        assert "the limit per peer is 3" in await refusal(stub)
        assert kept


async def _said_by_the_server(call: Any) -> StatusCode | None:
    """Returns a call's code; None if the client was writing when the call ended, as grpc.aio
    then invents its own code."""
    code: StatusCode = await call.code()
    return None if await call.details() == "Internal error from Core" else code


@pytest.mark.parametrize("said", [[], [config()]], ids=["nothing", "a configuration"])
async def test_those_who_say_nothing_make_way(
    toy_repository: Path, said: list[StreamRequest]
) -> None:
    settings = LocalSettings(
        repository=toy_repository,
        silence_seconds=60,
        orchestrator=OrchestratorSettings(max_sessions=4, max_sessions_per_peer=4),
    )
    async with LocalServices(settings) as local, open_stub(local.target) as stub:
        silent = []
        for _ in range(20):
            silent.append(stub.Stream())
            with contextlib.suppress(grpc.aio.AioRpcError):  # it may be refused
                for request in said:
                    await silent[-1].write(request)
                    assert (await anext(aiter(silent[-1]))).HasField("config")
        ends = [asyncio.ensure_future(_said_by_the_server(one)) for one in silent]
        # Once all but four are refused, the server has seen all twenty.
        codes = [await one for one in itertools.islice(asyncio.as_completed(ends), 16)]
        assert {*codes} - {None} == {StatusCode.RESOURCE_EXHAUSTED}
        seated = [one for one in silent if not one.done()]
        # More sessions than places, yet an active client is admitted.
        assert (await cast(local.target, GOOD)).origins == "O" * 10
        gone = [asyncio.ensure_future(one.details()) for one in seated]
        (first,), others = await asyncio.wait(gone, return_when=asyncio.FIRST_COMPLETED)
        details = "stream: ended to make room for another, because the client was silent"
        assert first.result() == details
        for one in (*ends, *others):
            one.cancel()


@pytest.mark.parametrize("pipeline", ["services", "ensemble"])
async def test_no_other_model_takes_the_place_of_a_default_that_is_corrupt(
    tmp_path: Path, pipeline: str
) -> None:
    build_joined_repository(tmp_path)
    build_toy_repository(tmp_path, "face256")
    (tmp_path / "face256_keypoint" / "1" / "model.onnx").write_bytes(b"torn")
    settings = LocalSettings(
        repository=tmp_path,
        orchestrator_ports=Ports(0, 0),
        pipeline=pipeline,  # type: ignore[arg-type]
    )
    async with LocalServices(settings) as local:
        with pytest.raises(grpc.RpcError, match="the default, face256, cannot be served") as failed:
            await cast(local.target, GOOD)
        assert failed.value.code() is StatusCode.NOT_FOUND
        named = await cast(local.target, [config(model="toy"), *GOOD[1:]])
        ready = await get(local.servers["orchestrator"], "/ready")
    assert named.origins == "O" * 10
    assert ready.status == 503


async def test_a_session_beside_the_attacks_is_what_it_is_alone(
    toy_repository: Path, target: str
) -> None:
    alone = await cast(target, GOOD)

    async def attack(*requests: StreamRequest) -> str:
        try:
            await cast(target, requests)
        except grpc.RpcError as error:
            return str(error)
        return ""

    empty = StreamRequest.FromString(b"")
    attacks = [
        asyncio.create_task(attack(*requests))
        for requests in (
            [config(frame_count=2**64 - 1), source(IMAGE)],
            [config(frame_count=3000), source(IMAGE), packet(0, POINTS)],
            [config(), empty],
        )
        for _ in range(4)
    ]
    beside = await cast(target, GOOD)
    await asyncio.gather(*attacks)
    assert [one.image for one in beside.frames] == [one.image for one in alone.frames]


async def test_every_line_of_a_session_tells_it_and_internal_calls_are_quiet(
    target: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="motioncast.access")
    await cast(target, GOOD)
    lines = [record for record in caplog.records if record.name == "motioncast.access"]
    (own,) = (line for line in lines if "MotionTransferService/Stream" in line.getMessage())
    inner = [line for line in lines if "/Detect" in line.getMessage()]
    inner += [line for line in lines if "/Synthesize" in line.getMessage()]
    assert own.levelno == logging.INFO
    assert inner
    assert {line.levelno for line in inner} == {logging.DEBUG}
    session = vars(own)["session"]
    assert len(session) == 8
    assert {vars(line)["session"] for line in inner} == {session}


async def test_a_client_may_name_its_session_but_not_write_into_the_log(
    stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="motioncast.access")

    async def nothing() -> AsyncIterator[StreamRequest]:
        return
        yield

    for name in ("call-17", "two words"):
        call = stub.Stream(nothing(), metadata=(("motioncast-session", name),))
        assert await call.code() is StatusCode.FAILED_PRECONDITION
    lines = [record for record in caplog.records if record.name == "motioncast.access"]
    first, second = (vars(line)["session"] for line in lines)
    assert first == "call-17"
    assert len(second) == 8
