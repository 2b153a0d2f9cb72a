"""Keypoint packets as QUIC datagrams: real QUIC over loopback to a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from support.codec_tables import add_tables, turned_tables
from support.datagram_session import AT_SOURCE, live, moving
from support.toy_ensembles import build_joined_repository
from support.toy_models import image_with_points
from support.udp_forwarder import Forwarder, RandomLoss

from motioncast.client import (
    Frame,
    InvalidRequestError,
    Keypoints,
    Origin,
    Source,
    connect,
    datagram_coding,
    datagram_link,
)
from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import DatagramSettings, OrchestratorSettings

IMAGE = image_with_points((3, 4), (9, 7))
CODED: Any = {"keypoint_encoding": "coded", "source_keypoints": AT_SOURCE, "source": IMAGE}
FRAMES = 150


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    repository = build_joined_repository(tmp_path)
    add_tables(repository, turned_tables(2, 6))
    return repository


@asynccontextmanager
async def served(
    repository: Path,
    forwarder: Forwarder | None = None,
    pipeline: Literal["services", "ensemble"] = "services",
    wait_seconds: float = 0.06,
) -> AsyncIterator[LocalServices]:
    """Serves with a datagram port that clients reach through the forwarder."""
    public = None if forwarder is None else forwarder.port
    datagrams = DatagramSettings(public_port=public, wait_seconds=wait_seconds)
    settings = LocalSettings(
        repository=repository,
        pipeline=pipeline,
        drain_grace_seconds=0.5,
        orchestrator=OrchestratorSettings(datagrams=datagrams),
    )
    async with LocalServices(settings) as local:
        assert local.datagram_port is not None
        if forwarder is not None:
            forwarder.server_port = local.datagram_port
        yield local


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allows a handshake to be slow on a busy machine."""
    monkeypatch.setattr(datagram_link, "CONNECT_SECONDS", 60.0)


async def cast(target: str, keypoints: Any, **options: Any) -> tuple[list[Frame], Any, Any]:
    async with connect(target) as service:
        stream = service.stream_keypoints(keypoints, **CODED, datagrams=True, **options)
        frames = [frame async for frame in stream]
        return frames, stream.report, stream.datagrams


async def cast_connected(
    target: str, count: int, begun: Callable[[int], None] = lambda index: None
) -> tuple[list[Frame], Any, Any]:
    """Streams `moving` keypoints until `count` frames have been sent over datagrams.

    Args:
        target: The server.
        count: Frames to send once packets travel as datagrams.
        begun: Called before each of them with the number sent so far.
    """

    async def since_then() -> AsyncIterator[Keypoints]:
        sent = 0
        async for one in live(moving(10_000)):
            traffic = stream.datagrams
            if sent or (traffic is not None and traffic.carrier == "datagrams"):
                begun(sent)
                sent += 1
            yield one
            if sent == count:
                return

    async with connect(target) as service:
        stream = service.stream_keypoints(since_then(), **CODED, datagrams=True)
        frames = [frame async for frame in stream]
        return frames, stream.report, stream.datagrams


def errors(frames: list[Frame], keypoints: list[Keypoints]) -> Iterator[float]:
    """Yields the largest error of each observed frame, in keypoint units."""
    for frame in frames:
        if frame.origin is Origin.OBSERVED:
            yield float(np.abs(frame.keypoints - keypoints[frame.index]).max())


async def test_packets_travel_as_datagrams_and_every_frame_is_observed(repository: Path) -> None:
    async with served(repository, wait_seconds=10.0) as local:
        frames, report, traffic = await cast_connected(local.target, FRAMES)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert {frame.origin for frame in frames} == {Origin.OBSERVED}
    assert max(errors(frames, moving(len(frames)))) < 0.01
    assert traffic.carrier == "datagrams"
    assert FRAMES <= traffic.packets <= len(frames)  # none twice
    assert traffic.packets + traffic.grpc_packets >= len(frames)
    assert 0 < report.datagrams.packets <= traffic.packets
    assert report.datagrams.late_frames == 0


async def test_lost_packets_are_concealed_frames_and_the_others_are_what_was_sent(
    repository: Path,
) -> None:
    lossy = Forwarder(RandomLoss(0.2, seed=1), RandomLoss(0.2, seed=2))
    async with lossy as forwarder, served(repository, forwarder) as local:
        frames, report, traffic = await cast_connected(local.target, 300)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert traffic.carrier == "datagrams"
    lost = [frame for frame in frames if frame.origin is Origin.CONCEALED]
    assert 0 < len(lost) < len(frames)  # on a busy machine some also arrive too late
    assert report.concealed_frames == len(lost)
    assert max(errors(frames, moving(len(frames)))) < 0.01
    assert report.datagrams.packets < traffic.packets
    assert traffic.packets > 310  # after a loss, packets with much motion are sent twice


async def test_where_datagrams_do_not_get_through_packets_go_over_grpc(repository: Path) -> None:
    keypoints = moving(FRAMES)
    async with Forwarder() as forwarder:
        forwarder.open = False
        async with served(repository, forwarder) as local:
            frames, report, traffic = await cast(local.target, live(keypoints))
    assert {frame.origin for frame in frames} == {Origin.OBSERVED}
    assert (traffic.carrier, traffic.packets, traffic.grpc_packets) == ("grpc", 0, FRAMES)
    assert report.datagrams.packets == 0
    assert max(errors(frames, keypoints)) < 0.01


async def test_a_path_that_closes_loses_nothing(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagram_coding, "SILENCE_SECONDS", 1.0)

    def until_half(sent: int) -> None:
        forwarder.open = sent < 100

    async with Forwarder() as forwarder, served(repository, forwarder) as local:
        frames, _, traffic = await cast_connected(local.target, 300, until_half)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert traffic.packets >= 100
    assert traffic.carrier == "grpc"
    assert frames[-1].origin is Origin.OBSERVED
    assert max(errors(frames, moving(len(frames)))) < 0.01


async def test_a_server_without_a_door_takes_packets_over_grpc(repository: Path) -> None:
    settings = LocalSettings(repository=repository, drain_grace_seconds=0.5)
    async with LocalServices(settings) as local:
        frames, report, traffic = await cast(local.target, moving(20))
    assert len(frames) == 20
    assert report.datagrams is None
    assert traffic.grpc_packets == 20


async def test_bytes_are_those_that_were_seen_on_the_wire(repository: Path) -> None:
    async with Forwarder() as forwarder, served(repository, forwarder) as local:
        _, report, traffic = await cast(local.target, live(moving(FRAMES)))
        # Bytes sent after the report was written are only counted on the wire.
        told, seen = report.datagrams, forwarder
        assert told.received <= seen.to_server[0] <= told.received + 8
        assert told.received_bytes <= seen.to_server[1] <= told.received_bytes + 8 * 80
        assert told.sent <= seen.to_client[0] <= told.sent + 8
        assert told.sent_bytes <= seen.to_client[1] <= told.sent_bytes + 8 * 80
        while seen.to_server[0] < traffic.udp_sent:
            await asyncio.sleep(0)  # the last datagrams are still in flight
        assert (traffic.udp_sent, traffic.udp_sent_bytes) == tuple(seen.to_server)
    assert traffic.payload_bytes < traffic.message_bytes < traffic.udp_sent_bytes
    assert report.bytes.keypoint_payload >= traffic.payload_bytes


async def test_packets_that_come_in_any_order_and_twice_are_put_in_order(repository: Path) -> None:
    def mixed(number: int, size: int) -> float:
        return 0.03 if number % 3 == 0 and size < 400 else 0.0

    keypoints = moving(200)
    async with (
        Forwarder(mixed) as forwarder,
        served(repository, forwarder, wait_seconds=10.0) as local,
    ):
        frames, _, _ = await cast(local.target, live(keypoints))
    assert [frame.index for frame in frames] == list(range(200))
    assert {frame.origin for frame in frames} == {Origin.OBSERVED}
    assert max(errors(frames, keypoints)) < 0.01


@pytest.mark.parametrize("pipeline", ["services", "ensemble"])
async def test_late_packets_correct_what_follows(
    repository: Path, pipeline: Literal["services", "ensemble"]
) -> None:
    def some_late(number: int, size: int) -> float:
        return 0.3 if number % 12 == 0 and size < 400 else 0.0

    keypoints = moving(200)
    async with Forwarder(some_late) as forwarder, served(repository, forwarder, pipeline) as local:
        frames, report, _ = await cast(local.target, live(keypoints, 0.02))
    assert [frame.index for frame in frames] == list(range(200))
    assert report.datagrams.late_frames > 0
    assert report.concealed_frames >= report.datagrams.late_frames
    assert max(errors(frames, keypoints)) < 0.01


@pytest.mark.parametrize("packed", [1, 4])
async def test_a_gate_leaves_frames_out_and_they_are_no_losses(
    repository: Path, packed: int
) -> None:
    still = [AT_SOURCE] * 120
    async with served(repository) as local:
        frames, report, traffic = await cast(
            local.target, live(still), gate=1.0, packet_frames=packed
        )
    assert len(frames) == 120
    assert report.concealed_frames == 0
    assert report.observed_frames < 15
    assert traffic.packets <= report.observed_frames


async def test_a_source_may_come_later_and_none_takes_the_place_of_another(
    repository: Path,
) -> None:
    async def with_source(index: int) -> AsyncIterator[Any]:
        async for number, one in _counted(live(moving(60))):
            if number == 30:
                yield Source(IMAGE, index, AT_SOURCE)
            yield one

    async with served(repository) as local:
        frames, _, _ = await cast(local.target, with_source(1))
        assert len(frames) == 60
        with pytest.raises(InvalidRequestError, match=r"source\.index: 0 was already sent"):
            await cast(local.target, with_source(0))


async def test_only_coded_keypoints_travel_as_datagrams(repository: Path) -> None:
    async with served(repository) as local, connect(local.target) as service:
        with pytest.raises(InvalidRequestError, match="datagrams: require keypoint_encoding"):
            service.stream_keypoints(moving(3), source=IMAGE, datagrams=True)


async def _counted(elements: AsyncIterator[Any]) -> AsyncIterator[tuple[int, Any]]:
    index = 0
    async for one in elements:
        yield index, one
        index += 1
