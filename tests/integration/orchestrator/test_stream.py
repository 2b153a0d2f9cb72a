"""A session returns every frame of its timeline, with the values of the toy models."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.moving_points import SOURCE, SOURCE_POINTS, image, keypoints
from support.raw_sessions import cast, config, frame, packet, source
from support.toy_models import (
    keypoints_of_points,
    toy_frame,
    toy_path,
)

from motioncast.v1 import common_pb2, motion_transfer_pb2
from motioncast.v1.motion_transfer_pb2 import StreamConfig
from motioncast.wire.images import JPEG, PNG, decode_image, encode_image
from motioncast.wire.keypoints import decode_keypoints


def path(frames: int, observed: set[int]) -> NDArray[np.float32]:
    """Returns the keypoints of every frame: those sent, else the toy predictor's path."""
    true = np.stack([keypoints(t) for t in range(frames)])
    mask = np.array([t in observed for t in range(frames)])
    return toy_path(true, mask)


def assert_is_cast_of(frames: list[motion_transfer_pb2.ResultFrame], sets: object) -> None:
    """Asserts that frames 0, 1, 2 ... have these keypoints and were synthesised from them."""
    for index, (one, expected) in enumerate(zip(frames, np.asarray(sets), strict=True)):
        assert (one.index, one.synthetic) == (index, True)
        received = decode_keypoints(one.keypoints, 2)
        np.testing.assert_allclose(received, expected, atol=2e-5)
        pixels = decode_image(one.image, 16, 16).astype(int)
        # One grey level of tolerance for rounding.
        np.testing.assert_allclose(pixels, toy_frame(expected).astype(int), atol=1)


@pytest.mark.parametrize(
    ("observed", "predicted", "groups"),
    [(1, 1, 6), (5, 5, 3), (5, 27, 2), (3, 1, 4), (1, 0, 7), (40, 7, 2), (1, 80, 2)],
)
async def test_m_observed_then_n_predicted(
    target: str, observed: int, predicted: int, groups: int
) -> None:
    length = (observed + predicted) * groups
    sent = {t for t in range(length) if t % (observed + predicted) < observed}
    session = await cast(
        target,
        [
            config(observed_frames=observed, predicted_frames=predicted),
            source(SOURCE),
            *(frame(t, image(t)) for t in sorted(sent)),
        ],
    )
    assert session.origins == ("O" * observed + "P" * predicted) * groups
    assert_is_cast_of(session.frames, path(length, sent))


async def test_keypoints_give_the_same_video_as_the_frames_they_come_from(target: str) -> None:
    opening = [config(observed_frames=2, predicted_frames=2), source(SOURCE)]
    of_frames = await cast(target, [*opening, *(frame(t, image(t)) for t in (0, 1, 4, 5))])
    of_keypoints = await cast(target, [*opening, *(packet(t, keypoints(t)) for t in (0, 1, 4, 5))])
    mixed = await cast(
        target,
        [
            *opening,
            *((frame(t, image(t)) if t % 2 else packet(t, keypoints(t))) for t in (0, 1, 4, 5)),
        ],
    )
    assert_is_cast_of(of_frames.frames, path(8, {0, 1, 4, 5}))
    assert_is_cast_of(of_keypoints.frames, path(8, {0, 1, 4, 5}))
    assert_is_cast_of(mixed.frames, path(8, {0, 1, 4, 5}))
    assert all(one.timings.keypoint_ms > 0 for one in of_frames.frames)
    assert all(one.timings.keypoint_ms == 0 for one in of_keypoints.frames)


async def test_the_configuration_comes_first_and_the_report_last(target: str) -> None:
    session = await cast(target, [config(), source(SOURCE), frame(0, image(0)), frame(1, image(1))])
    assert session.kinds == ["config", "frame", "frame", "report"]


async def test_defaults_are_filled_in(target: str) -> None:
    session = await cast(target, [config(), source(SOURCE), frame(0, image(0))])
    assert session.config == StreamConfig(
        model="toy",
        mode=motion_transfer_pb2.TRANSFER_MODE_RECONSTRUCTION,
        relative_motion=False,
        observed_frames=1,
        predicted_frames=0,
        frame_rate=25.0,
        frame_count=0,
        output_encoding=common_pb2.IMAGE_ENCODING_RGB8,
        height=16,
        width=16,
        keypoints=2,
        frame=common_pb2.FRAMING_MODE_OFF,
        keypoint_encoding=common_pb2.KEYPOINT_ENCODING_FLOATS,
        delay_frames=0,
        pictures_only=False,
        live=False,
    )


async def test_what_was_asked_for_is_echoed(target: str) -> None:
    wanted = StreamConfig(
        model="toy",
        mode=motion_transfer_pb2.TRANSFER_MODE_TRANSFER,
        relative_motion=True,
        observed_frames=256,
        predicted_frames=256,
        frame_rate=240.0,
        frame_count=1,
        output_encoding=PNG,
        seed=2**64 - 1,
        height=16,
        width=16,
        keypoints=2,
        frame=common_pb2.FRAMING_MODE_OFF,
        keypoint_encoding=common_pb2.KEYPOINT_ENCODING_FLOATS,
        delay_frames=16,
        pictures_only=True,
        live=False,
    )
    requests = [config(), source(SOURCE), frame(0, image(0))]
    requests[0].config.CopyFrom(wanted)
    assert (await cast(target, requests)).config == wanted


async def test_a_lost_frame_is_concealed_by_the_forecast(target: str) -> None:
    session = await cast(
        target, [config(), source(SOURCE), *(packet(t, keypoints(t)) for t in (0, 1, 4))]
    )
    assert session.origins == "OOCCO"
    assert_is_cast_of(session.frames, path(5, {0, 1, 4}))


async def test_concealment_knows_every_frame_since_the_start(target: str) -> None:
    # 600 frames without a gap are more than one call of the predictor takes.
    still = [packet(t, keypoints(3)) for t in range(600)]
    last = [packet(600, keypoints(4)), packet(602, keypoints(9))]
    session = await cast(target, [config(), source(SOURCE), *still, *last])
    assert session.origins == "O" * 601 + "C" + "O"
    expected = 2 * keypoints(4) - keypoints(3)  # linear
    received = decode_keypoints(session.frames[601].keypoints, 2)
    np.testing.assert_allclose(received[:, :2], np.clip(expected, -1, 1)[:, :2], atol=2e-5)


async def test_before_the_first_frame_the_source_is_held(target: str) -> None:
    session = await cast(
        target,
        [
            config(observed_frames=1, predicted_frames=1),
            source(SOURCE),
            packet(3, keypoints(3)),
        ],
    )
    held = keypoints_of_points(*SOURCE_POINTS)
    assert session.origins == "CCCO"
    assert_is_cast_of(session.frames, [held, held, held, keypoints(3)])


async def test_the_source_s_keypoints_may_be_given(target: str) -> None:
    given = np.array([[0.25, 0.5, 0.75], [0.0, 0.0, 1.0]], dtype=np.float32)
    session = await cast(target, [config(frame_count=2), source(SOURCE, given)])
    assert session.origins == "CC"
    assert_is_cast_of(session.frames, [given, given])


@pytest.mark.parametrize("count", [1, 4, 5, 6, 9, 10, 11])
async def test_exactly_the_declared_number_of_frames_comes_back(target: str, count: int) -> None:
    sent = [t for t in range(count) if t % 10 < 5]
    session = await cast(
        target,
        [
            config(observed_frames=5, predicted_frames=5, frame_count=count),
            source(SOURCE),
            *(packet(t, keypoints(t)) for t in sent),
        ],
    )
    assert session.origins == ("OOOOOPPPPP" * 2)[:count]
    assert_is_cast_of(session.frames, path(count, set(sent)))


async def test_the_declared_frames_come_back_whatever_was_lost(target: str) -> None:
    session = await cast(
        target,
        [
            config(observed_frames=2, predicted_frames=1, frame_count=7),
            source(SOURCE),
            packet(0, keypoints(0)),
        ],
    )
    assert session.origins == "OCPCCPC"


async def test_an_unknown_number_of_frames_ends_with_the_last_group(target: str) -> None:
    session = await cast(
        target,
        [
            config(observed_frames=2, predicted_frames=2),
            source(SOURCE),
            packet(0, keypoints(0)),
        ],
    )
    assert session.origins == "OCPP"


async def test_a_session_without_frames_ends_with_its_report(target: str) -> None:
    session = await cast(target, [config(), source(SOURCE)])
    assert session.kinds == ["config", "report"]


async def test_relative_motion_moves_the_source(target: str) -> None:
    first, now = keypoints(0), keypoints(0) + np.array([0.25, 0.125, 0.0], dtype=np.float32)
    given = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5]], dtype=np.float32)
    session = await cast(
        target,
        [
            config(mode=motion_transfer_pb2.TRANSFER_MODE_TRANSFER, relative_motion=True),
            source(SOURCE, given),
            packet(0, first),
            packet(1, now),
        ],
    )
    images = list(session.images())
    np.testing.assert_array_equal(images[0], toy_frame(given))
    np.testing.assert_array_equal(images[1], toy_frame(given + now - first))
    # The returned keypoints are those of the driving video.
    np.testing.assert_allclose(decode_keypoints(session.frames[1].keypoints, 2), now, atol=1e-6)


async def test_absolute_motion_takes_the_driving_keypoints_as_they_are(target: str) -> None:
    session = await cast(
        target,
        [
            config(mode=motion_transfer_pb2.TRANSFER_MODE_TRANSFER),
            source(SOURCE),
            packet(0, keypoints(7)),
        ],
    )
    np.testing.assert_array_equal(next(session.images()), toy_frame(keypoints(7)))


@pytest.mark.parametrize("encoding", [JPEG, PNG])
async def test_frames_may_be_compressed_both_ways(
    target: str, encoding: common_pb2.ImageEncoding.ValueType
) -> None:
    flat = np.full((16, 16, 3), 128, np.uint8)  # which JPEG preserves exactly
    session = await cast(
        target,
        [
            config(output_encoding=encoding),
            source(encode_image(flat, encoding)),
            frame(0, encode_image(flat, encoding)),
        ],
    )
    [one] = session.frames
    assert one.image.encoding == encoding
    received = decode_image(one.image, 16, 16).astype(int)
    grey = np.array([[0.0, 0.0, 128 / 255]] * 2, dtype=np.float32)
    np.testing.assert_allclose(received, toy_frame(grey).astype(int), atol=2)


async def test_a_seed_gives_the_same_path_again_and_another_one_another(target: str) -> None:
    async def paths(seed: int) -> list[common_pb2.KeypointSet]:
        requests = [
            config(observed_frames=2, predicted_frames=6, seed=seed),
            source(SOURCE),
            *(packet(t, keypoints(t)) for t in (0, 1, 8, 9)),
        ]
        return [one.keypoints for one in (await cast(target, requests)).frames]

    assert await paths(1) == await paths(1)
    assert await paths(1) != await paths(2)
