"""Senders and watchers that break the rules get a clear error and affect nobody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from support.codec_tables import turned_tables

from motioncast.codec import KeypointEncoder, SourceReference, encode_source
from motioncast.local import LocalServices, LocalSettings
from motioncast.relay import RelaySettings
from motioncast.relay.room import common_frames
from motioncast.v1 import relay_pb2
from motioncast.v1.common_pb2 import CodedKeypoints, Crop
from motioncast.v1.motion_transfer_pb2 import SourceImage
from motioncast.v1.relay_pb2 import (
    Acknowledgement,
    Alive,
    FramesAcknowledged,
    JoinRoom,
    PublishRequest,
    RoomEnd,
    RoomOpening,
    WatchRequest,
)
from motioncast.v1.relay_pb2_grpc import RelayServiceStub
from motioncast.wire.images import encode_image
from motioncast.wire.keypoints import encode_keypoints

IMAGE = np.full((16, 16, 3), 100, np.uint8)
POINTS = np.array([[0.0, 0.0, 0.5], [0.5, 0.5, 0.5]], dtype=np.float32)


def opening(**fields: Any) -> PublishRequest:
    plain: dict[str, Any] = {
        "model": "toy",
        "codec_tables": "0" * 64,
        "height": 16,
        "width": 16,
        "keypoints": 2,
        "frame_rate": 25,
        "observed_frames": 1,
    }
    return PublishRequest(opening=RoomOpening(**{**plain, **fields}))


def source(**fields: Any) -> PublishRequest:
    plain = {"image": encode_image(IMAGE), "keypoints": encode_keypoints(POINTS)}
    return PublishRequest(source=SourceImage(**{**plain, **fields}))


def packet(index: int, **fields: Any) -> PublishRequest:
    encoder = KeypointEncoder(turned_tables(2, 6))
    encoder.set_source(0, POINTS)
    data = encoder.encode([(index, POINTS)], SourceReference()).data
    return PublishRequest(packet=CodedKeypoints(**{"data": data, **fields}))


def join(room: relay_pb2.Room, **fields: Any) -> WatchRequest:
    plain = {"name": room.name, "watch_token": room.watch_token}
    return WatchRequest(join=JoinRoom(**{**plain, **fields}))


@pytest.fixture
async def stub(target: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(target) as channel:
        yield RelayServiceStub(channel)


async def published(stub: Any, requests: Iterable[PublishRequest]) -> tuple[Any, relay_pb2.Room]:
    """Returns a call that has sent the requests, and its room."""
    call = stub.Publish()
    for request in requests:
        await call.write(request)
    return call, (await call.read()).room


async def refusal(call: Any, requests: Iterable[Any]) -> grpc.aio.AioRpcError:
    for request in requests:
        await call.write(request)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await rest(call)
    return refused.value


async def rest(call: Any) -> list[Any]:
    """Reads a call's remaining responses."""
    responses = []
    while (response := await call.read()) is not grpc.aio.EOF:
        responses.append(response)
    return responses


WRONG_FIRST: list[tuple[PublishRequest, str]] = [
    (source(), "opening: must be the first message"),
    (opening(model="../x"), "opening.model: is not 1 to 64"),
    (opening(codec_tables="F" * 64), "opening.codec_tables: is not 64 hexadecimal"),
    (opening(height=0), "opening.height: 0 is less than 1"),
    (opening(width=4097), "opening.width: 4097 exceeds the limit of 4096"),
    (opening(keypoints=1025), "opening.keypoints: 1025 exceeds"),
    (opening(frame_rate=float("nan")), "opening.frame_rate: nan is out of range"),
    (opening(observed_frames=0), "opening.observed_frames: 0 is less"),
    (opening(predicted_frames=257), "opening.predicted_frames: 257 exceeds"),
    (opening(frame_count=2**63), "opening.frame_count: 9223372036854775808 exceeds"),
    (opening(mode=9), "opening.mode: 9 is not a known mode"),
    (opening(relative_motion=True), "opening.relative_motion: only supported in transfer mode"),
    (opening(source_weights=[1.0]), "opening.source_weights: 1 weights for 2 keypoints"),
    (opening(source_weights=[1.0, float("inf")]), "opening.source_weights: must be finite"),
]


@pytest.mark.parametrize(("first", "sentence"), WRONG_FIRST)
async def test_an_opening_that_cannot_be_opens_no_room(
    stub: Any, first: PublishRequest, sentence: str
) -> None:
    refused = await refusal(stub.Publish(), [first])
    assert sentence in (refused.details() or "")
    assert refused.code() in (StatusCode.INVALID_ARGUMENT, StatusCode.FAILED_PRECONDITION)


WRONG_LATER: list[tuple[list[PublishRequest], str]] = [
    ([opening()], "opening: was sent twice"),
    ([packet(0)], "packet: was sent before the source"),
    ([source(index=1)], "source.index: 1, but the first source must have index 0"),
    ([source(index=4)], "source.index: 4 exceeds the limit of 3"),
    ([source(keypoints=None)], "source.keypoints: missing"),
    ([source(keypoints=encode_keypoints(POINTS * 3))], "source.keypoints.x: 1.5 is out of range"),
    ([source(keypoints=None, coded_keypoints=b"\xff")], "source.coded_keypoints: source: "),
    (
        [source(coded_keypoints=encode_source(POINTS))],
        "source.coded_keypoints: cannot be combined with keypoints",
    ),
    (
        [source(image=encode_image(IMAGE[:8]))],
        "source.image: 16 x 8 in 384 bytes, expected 16 x 16 in 768",
    ),
    ([source(image=None)], "source.image.data: 0 is less than 1"),
    ([source(), packet(0, data=b"\x42\0\0")], "packet.data: packet: 3 bytes"),
    ([source(), packet(0, data=b"\x42\0\0\1")], "refers to source 1, which was not sent"),
    ([source(), packet(0, data=bytes(1201))], "packet.data: packet: 1201 bytes"),
    ([source(), packet(5), packet(5)], "packet: index 5 goes back, expected 6 or later"),
    ([source(), packet(0, crop=Crop(side=float("nan")))], "packet.crop.side"),
    ([source(), packet(8), PublishRequest(end=RoomEnd(frame_count=8))], "8 is less than 9"),
    ([PublishRequest()], "message: contains none of opening, source, packet, end and alive"),
]


@pytest.mark.parametrize(("later", "sentence"), WRONG_LATER)
async def test_a_sender_that_breaks_the_rules_is_told_so_and_its_watchers_that_it_is_lost(
    stub: Any, later: list[PublishRequest], sentence: str
) -> None:
    call, room = await published(stub, [opening()])
    watching = stub.Watch()
    await watching.write(join(room))
    assert (await watching.read()).HasField("watched")
    refused = await refusal(call, later)
    assert sentence in (refused.details() or "")
    *_, last = await rest(watching)
    assert last.end.reason == relay_pb2.ROOM_END_REASON_LOST


async def test_nobody_watches_without_the_token(stub: Any) -> None:
    call, room = await published(stub, [opening(), source()])
    for wrong in ({"watch_token": "x" * 32}, {"name": "elsewhere"}, {"watch_token": room.name}):
        refused = await refusal(stub.Watch(), [join(room, **wrong)])
        assert refused.code() is StatusCode.NOT_FOUND
        assert refused.details() == "join: there is no such room, or the token does not match"
    refused = await refusal(stub.Watch(), [join(room, watch_token="ü" * 32)])
    assert refused.code() is StatusCode.INVALID_ARGUMENT
    refused = await refusal(stub.Watch(), [WatchRequest(acknowledgement=Acknowledgement())])
    assert refused.code() is StatusCode.FAILED_PRECONDITION
    call.cancel()


async def test_a_source_that_is_too_large_is_refused_before_it_is_parsed(stub: Any) -> None:
    call, _ = await published(stub, [opening()])
    large = source(image=encode_image(np.zeros((700, 700, 3), np.uint8)))
    refused = await refusal(call, [large])
    assert refused.code() is StatusCode.RESOURCE_EXHAUSTED
    assert "exceed the limit of" in (refused.details() or "")


async def test_one_who_watches_and_never_answers_gets_a_bounded_number_of_packets(
    repository: Path,
) -> None:
    relay = RelaySettings(max_waiting_packets=8)
    settings = LocalSettings(repository=repository, drain_grace_seconds=0.5, relay=relay)
    async with (
        LocalServices(settings) as local,
        grpc.aio.insecure_channel(local.target) as channel,
    ):
        stub: Any = RelayServiceStub(channel)
        call, room = await published(stub, [opening(), source()])
        watching = stub.Watch()
        await watching.write(join(room))
        assert (await watching.read()).HasField("watched")
        assert (await watching.read()).HasField("source")
        for index in range(8):
            await call.write(packet(index))
            assert (await watching.read()).HasField("packet")
        # Without acknowledgements 8 to 15 are queued, 16 is one too many, and 17 is an anchor.
        for index in range(8, 18):
            await call.write(packet(index))
        assert (await watching.read()).packet.data[2] == 17
        call.cancel()


async def test_invented_acknowledgements_hurt_nobody(stub: Any) -> None:
    call, room = await published(stub, [opening(), source(), packet(0)])
    watching = stub.Watch()
    await watching.write(join(room))
    frames = FramesAcknowledged(newest=2**64 - 1, before=2**32 - 1)
    for stuck in (True, False):
        told = Acknowledgement(frames=frames, stuck=stuck)
        await watching.write(WatchRequest(acknowledgement=told))
    while not (feedback := (await call.read()).feedback).HasField("acknowledged"):
        pass
    assert feedback.acknowledged.newest == 2**64 - 1
    await call.write(packet(1))
    await call.write(PublishRequest(end=RoomEnd()))
    await call.done_writing()
    kinds = [response.WhichOneof("message") for response in await rest(watching)]
    assert kinds == ["watched", "source", "packet", "end"]


async def test_the_sender_is_told_only_what_has_changed(stub: Any) -> None:
    call, room = await published(stub, [opening(), source(), packet(0)])
    watching = stub.Watch()
    await watching.write(join(room))
    watched = (await watching.read()).watched
    assert watched.max_unacknowledged_packets == RelaySettings().max_waiting_packets
    await call.write(packet(1))  # the anchor that the watcher waits for
    told = [(await call.read()).feedback]
    while told[-1].watchers != 1 or told[-1].anchor_wanted:
        told.append((await call.read()).feedback)
    for first in (2, 5):
        for index in range(first, first + 3):
            await call.write(packet(index))
        frames = FramesAcknowledged(newest=first + 2, before=1)
        for _ in range(3):
            await watching.write(WatchRequest(acknowledgement=Acknowledgement(frames=frames)))
        while told[-1].acknowledged.newest != first + 2:
            told.append((await call.read()).feedback)
    assert [one.acknowledged.newest for one in told if one.HasField("acknowledged")] == [4, 7]
    assert all(one != other for one, other in pairwise(told))


async def test_a_sender_that_says_nothing_is_lost(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = LocalSettings(repository=repository, silence_seconds=0.3, drain_grace_seconds=0.5)
    async with (
        LocalServices(settings) as local,
        grpc.aio.insecure_channel(local.target) as channel,
    ):
        stub: Any = RelayServiceStub(channel)
        with caplog.at_level(logging.DEBUG):
            said: Any = grpc.aio.EOF
            while said is grpc.aio.EOF:  # a busy machine may take longer to open a room
                call = stub.Publish()
                with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await call.write(opening())
                said = await call.read()
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(PublishRequest(alive=Alive()))
            refused = await refusal(call, [])
        assert refused.code() is StatusCode.DEADLINE_EXCEEDED
        assert refused.details() == "stream: the client sent nothing for 0.3 s"
    assert said.room.name in caplog.text
    assert said.room.watch_token not in caplog.text


async def test_rooms_are_bounded_for_one_peer_and_free_again(repository: Path) -> None:
    relay = RelaySettings(max_rooms=8)
    settings = LocalSettings(repository=repository, drain_grace_seconds=0.5, relay=relay)
    async with (
        LocalServices(settings) as local,
        grpc.aio.insecure_channel(local.target) as channel,
    ):
        stub: Any = RelayServiceStub(channel)
        calls = [(await published(stub, [opening()]))[0] for _ in range(2)]
        refused = await refusal(stub.Publish(), [opening()])
        assert refused.code() is StatusCode.RESOURCE_EXHAUSTED
        assert "the limit per peer is 2" in (refused.details() or "")
        await calls[0].write(PublishRequest(end=RoomEnd()))
        await rest(calls[0])
        again, _ = await published(stub, [opening()])
        again.cancel()
        calls[1].cancel()


def test_frames_that_all_have_are_those_of_the_intersection() -> None:
    def told(frames: set[int]) -> FramesAcknowledged:
        newest = max(frames)
        before = sum(1 << i for i in range(32) if newest - 1 - i in frames)
        return FramesAcknowledged(newest=newest, before=before)

    generator = np.random.default_rng(0)
    for _ in range(200):
        sets = [
            {int(one) + 40 for one in generator.choice(30, generator.integers(1, 25))}
            for _ in range(generator.integers(1, 4))
        ]
        common = set.intersection(*sets)
        found = common_frames([told(one) for one in sets])
        if not common:
            assert found is None
            continue
        assert found is not None
        assert found == told(common)
    assert common_frames([]) is None
    assert common_frames([told({1}), None]) is None
    assert common_frames([told({1}), told({100})]) is None
