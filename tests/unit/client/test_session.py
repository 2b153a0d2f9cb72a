from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motioncast.client import InvalidRequestError, Keypoints, Mode, Pixels, ServerError
from motioncast.client.frames_session import FramesSession
from motioncast.client.keypoints_session import KeypointsSession
from motioncast.v1.common_pb2 import FRAME_ORIGIN_OBSERVED, IMAGE_ENCODING_RGB8
from motioncast.v1.motion_transfer_pb2 import (
    TRANSFER_MODE_TRANSFER,
    KeypointPacket,
    ResultFrame,
    StreamConfig,
    StreamRequest,
    StreamResponse,
)

FRAME = np.full((4, 6, 3), 7, np.uint8)
OTHER = np.full((4, 6, 3), 9, np.uint8)
KEYPOINTS = np.array([[-1, 1, 0], [0.5, -0.5, 1]], np.float32)


def messages(video: list[Pixels | None], observed: int, predicted: int) -> list[StreamRequest]:
    session = FramesSession(
        iter(video), None, "rgb8", {"observed": observed, "predicted": predicted}
    )
    return [message for frame in video for message in session.send(frame)]


def kinds(requests: list[StreamRequest]) -> list[str | None]:
    return [request.WhichOneof("message") for request in requests]


@settings(deadline=None)
@given(
    observed=st.integers(1, 6),
    predicted=st.integers(0, 6),
    lost=st.lists(st.booleans(), min_size=1, max_size=40),
)
def test_exactly_the_frames_of_the_pattern_that_are_there_are_sent(
    observed: int, predicted: int, lost: list[bool]
) -> None:
    sent = messages([None if gone else FRAME for gone in lost], observed, predicted)
    wanted = [
        t for t, gone in enumerate(lost) if t % (observed + predicted) < observed and not gone
    ]
    assert [request.frame.index for request in sent[2:]] == wanted


def test_the_configuration_comes_first_and_the_first_frame_is_the_source() -> None:
    sent = messages([FRAME, OTHER], 1, 1)
    assert kinds(sent) == ["config", "source", "frame"]
    assert sent[1].source.image.data == FRAME.tobytes()
    assert sent[2].frame.image == sent[1].source.image


def test_the_first_frame_that_is_there_is_the_source_even_if_it_is_not_sent() -> None:
    sent = messages([None, OTHER, FRAME], 1, 1)
    assert kinds(sent) == ["config", "source", "frame"]
    assert sent[1].source.image.data == OTHER.tobytes()
    assert sent[2].frame.index == 2


def test_a_source_of_its_own_makes_a_transfer() -> None:
    session = FramesSession([FRAME], OTHER, "rgb8", {"relative_motion": True})
    config, source, frame = session.send(FRAME)
    assert config.config.mode == TRANSFER_MODE_TRANSFER
    assert source.source.image.data == OTHER.tobytes()
    assert frame.frame.image.data == FRAME.tobytes()


def test_a_video_with_a_length_tells_how_many_frames_it_has() -> None:
    session = FramesSession(np.stack([FRAME, FRAME]), None, "rgb8", {})
    assert session.send(FRAME)[0].config.frame_count == 2


def test_a_frame_count_that_is_given_wins_over_the_length() -> None:
    session = FramesSession([FRAME, FRAME], None, "rgb8", {"frame_count": 1})
    assert session.send(FRAME)[0].config.frame_count == 1
    assert session.complete


def test_a_video_without_a_length_leaves_the_frame_count_open() -> None:
    session = FramesSession(iter([FRAME]), None, "rgb8", {})
    assert not session.send(FRAME)[0].config.HasField("frame_count")
    assert not session.complete


@pytest.mark.parametrize("video", [[], [None, None]])
def test_a_video_of_nothing_is_refused(video: list[None]) -> None:
    session = FramesSession(video, None, "rgb8", {})
    assert [session.send(frame) for frame in video] == [[] for _ in video]
    with pytest.raises(InvalidRequestError, match=r"^the video is empty$"):
        session.end()


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (FRAME[0], "frames[1]: shape (6, 3), but an image is (H, W, 3)"),
        (np.zeros((4, 6, 4), np.uint8), "frames[1]: shape (4, 6, 4), but an image is (H, W, 3)"),
        (np.zeros((0, 6, 3), np.uint8), "frames[1]: shape (0, 6, 3), but an image is (H, W, 3)"),
        (FRAME / 255, "frames[1]: float64 values, but pixels are uint8"),
        (FRAME[:2], "frames[1]: 6 x 2 pixels, but the source has 6 x 4"),
    ],
)
def test_a_frame_that_is_no_image_of_the_session_is_named(frame: Pixels, sentence: str) -> None:
    session = FramesSession([], None, "rgb8", {})
    session.send(FRAME)
    with pytest.raises(InvalidRequestError) as error:
        session.send(frame)
    assert str(error.value) == sentence
    assert error.value.field == "frames[1]"


def test_a_source_that_is_no_image_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRequestError, match=r"^source: shape \(6, 3\)"):
        FramesSession([], FRAME[0], "rgb8", {})


def test_keypoints_travel_as_they_are() -> None:
    session = KeypointsSession([], FRAME, KEYPOINTS, None, "rgb8", {"observed": 1, "predicted": 1})
    sent = [message for _ in range(3) for message in session.send(KEYPOINTS)]
    assert kinds(sent) == ["config", "source", "keypoints", "keypoints"]
    assert list(sent[1].source.keypoints.x) == [-1, 0.5]
    assert sent[3].keypoints == KeypointPacket(index=2, keypoints=sent[1].source.keypoints)


def test_without_keypoints_of_the_source_the_server_is_to_detect_them() -> None:
    session = KeypointsSession([], FRAME, None, None, "rgb8", {})
    assert not session.send(KEYPOINTS)[1].source.HasField("keypoints")


@pytest.mark.parametrize(
    ("mode", "relative", "expected"),
    [
        (None, False, Mode.RECONSTRUCTION),
        (None, True, Mode.TRANSFER),
        (Mode.TRANSFER, False, Mode.TRANSFER),
    ],
)
def test_relative_motion_of_keypoints_is_a_transfer(
    mode: Mode | None, relative: bool, expected: Mode
) -> None:
    session = KeypointsSession([], FRAME, None, mode, "rgb8", {"relative_motion": relative})
    config = session.send(KEYPOINTS)[0].config
    assert (config.mode == TRANSFER_MODE_TRANSFER) == (expected is Mode.TRANSFER)


@pytest.mark.parametrize(
    ("keypoints", "sentence"),
    [
        (
            KEYPOINTS[:, :2],
            "keypoints[0]: shape (2, 2) of float32, but keypoints are (K, 3) numbers",
        ),
        (KEYPOINTS[:1], "keypoints[0]: 1 keypoints, but earlier frames have 2"),
        (
            KEYPOINTS + np.array([math.nan, 0, 0], np.float32),
            "keypoints[0].x: a value is not finite",
        ),
        (KEYPOINTS * 3, "keypoints[0].x: -3 is out of range [-1, 1]"),
        (KEYPOINTS - [0, 0, 1], "keypoints[0].intensity: -1 is out of range [0, 1]"),
    ],
)
def test_keypoints_that_are_none_of_the_session_are_named(
    keypoints: Keypoints, sentence: str
) -> None:
    session = KeypointsSession([], FRAME, KEYPOINTS, None, "rgb8", {})
    with pytest.raises(InvalidRequestError) as error:
        session.send(keypoints)
    assert str(error.value) == sentence


def test_keypoints_of_the_source_are_checked_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRequestError, match=r"^source_keypoints\.x: 1\.5 is out of range"):
        KeypointsSession([], FRAME, KEYPOINTS + 1, None, "rgb8", {})


def test_a_frame_before_the_configuration_is_the_servers_fault() -> None:
    session = FramesSession([], None, "rgb8", {})
    with pytest.raises(ServerError, match="the server sent frame, which is not allowed"):
        session.receive(StreamResponse(frame=ResultFrame()))


def test_a_stream_without_a_report_is_the_servers_fault() -> None:
    session = FramesSession([], None, "rgb8", {})
    with pytest.raises(ServerError, match=r"^the server ended the stream without a report$"):
        session.finish()


def test_a_frame_of_another_size_than_configured_is_the_servers_fault() -> None:
    session = FramesSession([], None, "rgb8", {})
    config = StreamConfig(
        mode=TRANSFER_MODE_TRANSFER,
        output_encoding=IMAGE_ENCODING_RGB8,
        height=4,
        width=6,
        keypoints=2,
    )
    session.receive(StreamResponse(config=config))
    with pytest.raises(ServerError, match=r"^frame 3 cannot be read: image\.data: the image is em"):
        session.receive(StreamResponse(frame=ResultFrame(index=3, origin=FRAME_ORIGIN_OBSERVED)))


def test_configuration_and_report_are_asked_for_too_early() -> None:
    session = FramesSession([], None, "rgb8", {})
    with pytest.raises(RuntimeError, match=r"^the configuration comes with the first frame$"):
        _ = session.config
    with pytest.raises(RuntimeError, match=r"^the report comes after the last frame$"):
        _ = session.report
