"""Several sources in the client: numbered, checked and sent between frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from motioncast.client import InvalidRequestError, Keypoints, Pixels, Source, StreamOptions
from motioncast.client.frames_session import FramesSession
from motioncast.client.keypoints_session import KeypointsSession
from motioncast.client.types import Encoding
from motioncast.v1.motion_transfer_pb2 import TRANSFER_MODE_TRANSFER, StreamRequest
from motioncast.wire.keypoints import decode_keypoints

FRAME, OTHER, THIRD = (np.full((4, 6, 3), level, np.uint8) for level in (7, 9, 11))
KEYPOINTS = np.array([[-1, 1, 0], [0.5, -0.5, 1]], np.float32)
MIRRORED = np.array([[1, 1, 0], [-0.5, -0.5, 1]], np.float32)
WRONG_SIZE = np.zeros((6, 4, 3), np.uint8)


def kinds(requests: list[StreamRequest]) -> list[str | None]:
    return [request.WhichOneof("message") for request in requests]


@pytest.mark.parametrize("several", [[FRAME, OTHER], (FRAME, OTHER), np.stack([FRAME, OTHER])])
def test_sources_come_before_the_first_frame_in_their_order(several: Sequence[Pixels]) -> None:
    session = FramesSession([THIRD], several, "rgb8", {})
    sent = session.send(THIRD)
    assert kinds(sent) == ["config", "source", "source", "frame"]
    assert sent[0].config.mode == TRANSFER_MODE_TRANSFER
    assert [one.source.index for one in sent[1:3]] == [0, 1]
    assert [one.source.image.data for one in sent[1:3]] == [FRAME.tobytes(), OTHER.tobytes()]


def test_one_source_is_sent_as_ever() -> None:
    for source in (FRAME, [FRAME]):
        sent = FramesSession([THIRD], source, "rgb8", {}).send(THIRD)
        assert kinds(sent) == ["config", "source", "frame"]
        assert sent[1].source.index == 0


@pytest.mark.parametrize(("sent_as", "usual"), [("jpeg", 95), ("avif", 70)])
def test_quality_is_that_of_every_image(sent_as: Encoding, usual: int) -> None:
    pictures = [np.random.default_rng(n).integers(0, 256, (32, 32, 3), np.uint8) for n in range(2)]

    def sizes(quality: int | None) -> list[int]:
        options = StreamOptions() if quality is None else StreamOptions(quality=quality)
        frames = FramesSession(pictures, None, sent_as, options)
        sent = frames.send(pictures[0]) + frames.send(Source(pictures[1], 1))
        of_keypoints = KeypointsSession(
            iter([]), pictures[0], KEYPOINTS, None, sent_as, options
        ).send(KEYPOINTS)
        images = [getattr(one, one.WhichOneof("message") or "").image for one in sent[1:]]
        assert of_keypoints[1].source.image == images[0]
        return [len(one.data) for one in images]

    small, large = sizes(10), sizes(usual)
    assert sizes(None) == large
    assert all(one < another for one, another in zip(small, large, strict=True))


def test_what_loses_nothing_has_no_quality() -> None:
    with pytest.raises(InvalidRequestError, match="quality: only for 'jpeg' and 'avif', not"):
        FramesSession([FRAME], None, "webp", {"quality": 50})


def test_a_source_among_the_frames_takes_no_place_on_the_timeline() -> None:
    video: list[Pixels | Source | None] = [FRAME, OTHER, Source(OTHER, 1), THIRD]
    video += [Source(THIRD, 0, KEYPOINTS), None, FRAME]
    session = FramesSession(video, None, "rgb8", {"observed": 1, "predicted": 0})
    sent = [message for element in video for message in session.send(element)]
    expected = ["config", "source", "frame", "frame", "source", "frame", "source", "frame"]
    assert kinds(sent) == expected
    assert sent[0].config.frame_count == 5  # the lost frame counts
    assert [one.frame.index for one in sent if one.HasField("frame")] == [0, 1, 2, 4]
    assert [one.source.index for one in sent if one.HasField("source")] == [0, 1, 0]
    np.testing.assert_array_equal(decode_keypoints(sent[6].source.keypoints, 2), KEYPOINTS)
    assert not sent[4].source.HasField("keypoints")


def test_sources_of_a_keypoint_session_bring_their_keypoints() -> None:
    session = KeypointsSession(iter([]), [FRAME, OTHER], [KEYPOINTS, MIRRORED], None, "rgb8", {})
    sent = session.send(KEYPOINTS) + session.send(Source(THIRD, 2, KEYPOINTS))
    assert kinds(sent) == ["config", "source", "source", "keypoints", "source"]
    found = [decode_keypoints(sent[n].source.keypoints, 2) for n in (1, 2, 4)]
    np.testing.assert_array_equal(found, [KEYPOINTS, MIRRORED, KEYPOINTS])
    assert [sent[n].source.index for n in (1, 2, 4)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ([], "source: 0 given, but a session takes 1 to 4 sources"),
        ([FRAME] * 5, "source: 5 given, but a session takes 1 to 4 sources"),
        (
            [FRAME, WRONG_SIZE],
            "source[1]: 4 x 6 pixels, but the source has 6 x 4",
        ),
        ([FRAME, FRAME[0]], "source[1]: shape (6, 3), but an image is (H, W, 3)"),
    ],
)
def test_sources_that_are_none_are_refused_before_anything_is_sent(
    source: Sequence[Pixels], sentence: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        FramesSession([FRAME], source, "rgb8", {})
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (Source(FRAME, 4), "source.index: 4 is out of range [0, 3]: a session has 1 to 4 sources"),
        (
            Source(FRAME, -1),
            "source.index: -1 is out of range [0, 3]: a session has 1 to 4 sources",
        ),
        (Source(WRONG_SIZE, 1), "source.image: 4 x 6 pixels, but the source has 6 x 4"),
        (
            Source(FRAME, 1, KEYPOINTS[:, :2]),
            "source.keypoints: shape (2, 2) of float32, but keypoints are (K, 3) numbers",
        ),
    ],
)
def test_a_later_source_that_is_none_is_refused(source: Source, sentence: str) -> None:
    session = FramesSession([FRAME], None, "rgb8", {})
    session.send(FRAME)
    with pytest.raises(InvalidRequestError) as refused:
        session.send(source)
    assert str(refused.value) == sentence


def test_the_first_frame_of_a_video_comes_before_its_further_sources() -> None:
    session = FramesSession([FRAME], None, "rgb8", {})
    with pytest.raises(InvalidRequestError, match="must come after the first frame of the video"):
        session.send(Source(FRAME, 1))


@pytest.mark.parametrize("keypoints", [[KEYPOINTS], [KEYPOINTS] * 3, KEYPOINTS])
def test_keypoints_are_those_of_every_source(keypoints: Sequence[Keypoints]) -> None:
    with pytest.raises(InvalidRequestError, match=r"source_keypoints: \d given for 2 sources"):
        KeypointsSession(iter([]), [FRAME, OTHER], keypoints, None, "rgb8", {})
