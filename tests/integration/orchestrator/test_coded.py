"""Coded keypoints give the same frames as floats, and invalid packets are refused with an error."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.codec_tables import add_tables, plain_tables, turned_tables
from support.raw_sessions import Session, broken_field, cast, coded, config, frame, packet, source
from support.toy_ensembles import build_joined_repository
from support.toy_models import image_with_points

from motioncast.codec import (
    FrameReference,
    KeypointEncoder,
    SourceReference,
    encode_source,
    from_lattice,
)
from motioncast.local import LocalServices, LocalSettings
from motioncast.v1.common_pb2 import KEYPOINT_ENCODING_CODED, Crop
from motioncast.v1.motion_transfer_pb2 import StreamRequest

IMAGE = image_with_points((3, 4), (9, 7))
TABLES = turned_tables(2, 5)
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)


def points(index: int) -> NDArray[np.float32]:
    """Returns keypoints that move near the border."""
    x = 0.9 * np.sin(0.7 * index)
    return np.array([[x, 0.1 * (index % 7), 0.5], [-x, 0.9, 0.2]], np.float32)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = build_joined_repository(tmp_path_factory.mktemp("repository"))
    add_tables(repository, TABLES)
    return repository


@pytest.fixture(params=["services", "ensemble"])
async def local(repository: Path, request: pytest.FixtureRequest) -> AsyncIterator[LocalServices]:
    settings = LocalSettings(repository=repository, pipeline=request.param, drain_grace_seconds=0.5)
    async with LocalServices(settings) as local:
        yield local


@pytest.fixture
async def target(repository: Path) -> AsyncIterator[str]:
    async with LocalServices(
        LocalSettings(repository=repository, drain_grace_seconds=0.5)
    ) as local:
        yield local.target


def encoder() -> KeypointEncoder:
    made = KeypointEncoder(TABLES)
    made.set_source(0, AT_SOURCE)
    return made


def opening(*, is_coded: bool = True, **fields: Any) -> list[StreamRequest]:
    if is_coded:
        fields["keypoint_encoding"] = KEYPOINT_ENCODING_CODED
    return [config(**fields), source(IMAGE, AT_SOURCE)]


def both(
    groups: list[list[int]], points: Callable[[int], NDArray[np.float32]] = points
) -> tuple[list[StreamRequest], list[StreamRequest]]:
    """Returns frames as coded packets, and their decoded values as float packets."""
    sender, previous = encoder(), -1000
    packets, floats = [], []
    for indices in groups:
        near = indices[0] - previous <= 252
        reference = FrameReference(previous) if near else SourceReference(0)
        made = sender.encode([(index, points(index)) for index in indices], reference)
        packets.append(coded(made.data))
        floats += [packet(i, k) for i, k in zip(indices, made.keypoints, strict=True)]
        previous = indices[-1]
    return packets, floats


def check_same(got: Session, expected: Session) -> None:
    """Checks that two sessions gave bit-identical results, apart from byte counts."""
    assert got.origins == expected.origins
    for ours, theirs in zip(got.frames, expected.frames, strict=True):
        assert ours.keypoints == theirs.keypoints
        assert ours.half_width90 == theirs.half_width90
        assert ours.image == theirs.image
    assert got.report.forecast_error == expected.report.forecast_error


@pytest.mark.parametrize(
    ("groups", "fields"),
    [
        ([[index] for index in range(6)], {}),
        ([[0, 1, 2], [3, 4, 5, 6, 7, 8, 9, 10], [11]], {}),
        ([[0, 1], [5, 6, 10], [11]], {"observed_frames": 2, "predicted_frames": 3}),
        ([[0], [3, 7], [300]], {"frame_count": 303}),
    ],
    ids=["one by one", "packed", "a pattern in packets", "lost ones, and an anchor after 293"],
)
async def test_coded_keypoints_give_what_the_same_floats_give(
    local: LocalServices, groups: list[list[int]], fields: Any
) -> None:
    packets, floats = both(groups)
    got = await cast(local.target, [*opening(**fields), *packets])
    expected = await cast(local.target, [*opening(is_coded=False, **fields), *floats])
    check_same(got, expected)
    assert got.report.bytes.keypoint_payload == sum(len(one.coded.data) for one in packets)
    assert got.report.bytes.keypoints == sum(one.ByteSize() for one in packets)
    assert got.report.bytes.keypoint_messages == len(packets)
    observed = sum(map(len, groups))
    bits = 8 * sum(one.ByteSize() for one in packets)
    assert got.report.bits_per_sent_frame == pytest.approx(bits / observed)
    assert expected.report.bytes.keypoint_payload == 2 * 12 * observed


async def test_any_keypoints_on_the_lattice_give_the_same_coded_and_as_floats(target: str) -> None:
    lattice = st.lists(st.integers(-16384, 16384), min_size=6, max_size=6)
    sent = st.lists(st.tuples(st.integers(1, 20), lattice), min_size=1, max_size=6)

    def compare(frames: list[tuple[int, list[int]]]) -> None:
        indices = np.cumsum([gap for gap, _ in frames]).tolist()
        values = np.array([value for _, value in frames])
        values[:, 2::3] = abs(values[:, 2::3])
        at = dict(zip(indices, from_lattice(values), strict=True))
        packets, floats = both([[index] for index in indices], at.__getitem__)
        got = asyncio.run(cast(target, [*opening(observed_frames=2), *packets]))
        expected = asyncio.run(cast(target, [*opening(is_coded=False, observed_frames=2), *floats]))
        check_same(got, expected)

    await asyncio.to_thread(settings(max_examples=15)(given(sent)(compare)))


async def test_the_server_says_and_gives_its_tables_and_echoes_them(local: LocalServices) -> None:
    from support.raw_sessions import open_stub

    from motioncast.v1.motion_transfer_pb2 import GetCodecTablesRequest, GetServerInfoRequest

    async with open_stub(local.target) as stub:
        info = await stub.GetServerInfo(GetServerInfoRequest())
        tables = (await stub.GetCodecTables(GetCodecTablesRequest())).tables
    assert info.models[0].codec_tables == tables.sha256
    assert hashlib.sha256(tables.data).hexdigest() == tables.sha256
    got = await cast(local.target, [*opening(), both([[0]])[0][0]])
    assert got.config.keypoint_encoding == KEYPOINT_ENCODING_CODED
    assert got.config.codec_tables == tables.sha256


async def test_a_crop_holds_for_the_packets_after_it(target: str) -> None:
    packets, _ = both([[0], [1, 2], [3], [4]])
    packets[1].coded.crop.CopyFrom(Crop(left=1, top=2, side=30))
    packets[3].coded.crop.CopyFrom(Crop(left=3, top=2, side=30))
    got = await cast(target, [*opening(), *packets])
    assert [one.HasField("crop") for one in got.frames] == [False, True, True, True, True]
    assert [one.crop.left for one in got.frames] == [0, 1, 1, 1, 3]


async def test_a_later_source_can_be_referred_to(target: str) -> None:
    sender = encoder()
    first = coded(sender.encode([(0, points(0))], SourceReference(0)).data)
    second = source(IMAGE, points(1))
    second.source.index = 1
    sender.set_source(1, points(1))
    made = sender.encode([(1, points(1))], SourceReference(1))
    got = await cast(target, [*opening(), first, second, coded(made.data)])
    shown = got.frames[1].keypoints
    np.testing.assert_array_equal(
        np.array([shown.x, shown.y, shown.intensity], np.float32).T, made.keypoints[0]
    )


def by_itself(data: bytes, keypoints: NDArray[np.float32] | None = None) -> StreamRequest:
    """Returns a source with coded keypoints: `data`, or AT_SOURCE encoded if it is empty."""
    request = source(IMAGE, keypoints)
    request.source.coded_keypoints = data or encode_source(AT_SOURCE)
    return request


async def test_a_source_may_have_its_keypoints_coded(local: LocalServices) -> None:
    packets, floats = both([[0], [1], [2]])
    opened = [opening()[0], by_itself(b"")]
    got = await cast(local.target, [*opened, *packets])
    check_same(got, await cast(local.target, [*opening(is_coded=False), *floats]))


GOOD = both([[0], [1], [2]])[0]


@pytest.mark.parametrize(
    ("requests", "code", "sentence", "field"),
    [
        ([coded(b"")], "INVALID_ARGUMENT", "coded.data: packet: 0 bytes", "coded.data"),
        ([coded(bytes(1300))], "INVALID_ARGUMENT", "packet: 1300 bytes", "coded.data"),
        ([coded(b"\x02\0\0\0")], "INVALID_ARGUMENT", "packet: version 0", "coded.data"),
        ([GOOD[1]], "INVALID_ARGUMENT", "refers to frame 0", "coded.data"),
        ([coded(b"\x42\0\0\1")], "INVALID_ARGUMENT", "refers to source 1", "coded.data"),
        ([GOOD[0], GOOD[0]], "FAILED_PRECONDITION", "index: 0", "index"),
        ([GOOD[0], coded(b"\x42\x7f\0\0")], "INVALID_ARGUMENT", "index", "index"),
        (
            [GOOD[0], packet(1, points(1))],
            "FAILED_PRECONDITION",
            "keypoints are coded",
            "keypoints",
        ),
        ([frame(0, IMAGE)], "FAILED_PRECONDITION", "keypoints are coded", "frame"),
        ([GOOD[0], source(IMAGE)], "INVALID_ARGUMENT", "missing", "source.keypoints"),
        ([by_itself(b"\xff")], "INVALID_ARGUMENT", "source: ", "source.coded_keypoints"),
        (
            [by_itself(b"", AT_SOURCE)],
            "INVALID_ARGUMENT",
            "cannot be combined",
            "source.coded_keypoints",
        ),
    ],
)
async def test_what_is_wrong_is_said_and_a_session_beside_it_goes_on(
    target: str, requests: list[StreamRequest], code: str, sentence: str, field: str
) -> None:
    packets, floats = both([[index] for index in range(8)])
    beside = asyncio.create_task(cast(target, [*opening(), *packets]))
    with pytest.raises(grpc.RpcError) as failed:
        await cast(target, [*opening(), *requests])
    assert failed.value.code().name == code
    assert sentence in str(failed.value.details())
    assert broken_field(failed.value).endswith(field)
    check_same(await beside, await cast(target, [*opening(is_coded=False), *floats]))


async def test_coded_packets_are_refused_where_floats_were_agreed_on(target: str) -> None:
    with pytest.raises(grpc.RpcError, match="keypoints are floats") as failed:
        await cast(target, [*opening(is_coded=False), GOOD[0]])
    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_other_tables_are_refused_before_anything_is_sent(target: str) -> None:
    requests = opening()
    requests[0].config.codec_tables = "0" * 64
    with pytest.raises(grpc.RpcError, match="other codec tables") as failed:
        await cast(target, requests)
    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert broken_field(failed.value) == "config.codec_tables"


@pytest.mark.parametrize("why", ["none", "another count", "no json", "a wrong checksum"])
async def test_models_without_usable_tables_take_floats_alone(tmp_path: Path, why: str) -> None:
    repository = build_joined_repository(tmp_path)
    folder = repository / "toy_keypoint"
    if why == "another count":
        add_tables(repository, plain_tables(3))
    elif why == "no json":
        (folder / "codec.json").write_text("{")
    elif why == "a wrong checksum":
        add_tables(repository, TABLES)
        digest = hashlib.sha256((folder / "1" / "model.onnx").read_bytes()).hexdigest()
        (folder / "SHA256SUMS").write_text(f"{digest}  1/model.onnx\n{'0' * 64}  codec.json\n")
    settings = LocalSettings(repository=repository, drain_grace_seconds=0.5)
    async with LocalServices(settings) as local:
        got = await cast(local.target, [*opening(is_coded=False), *both([[0]])[1]])
        assert got.origins == "O"
        with pytest.raises(grpc.RpcError, match="no codec tables") as failed:
            await cast(local.target, opening())
    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
