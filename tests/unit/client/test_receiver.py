"""A receiver without a network: packets in any order, frames in order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.codec_tables import add_tables, turned_tables
from support.toy_models import build_toy_repository, image_with_points, toy_frame, toy_path

from motioncast.client import (
    InvalidRequestError,
    Keypoints,
    Opening,
    Origin,
    ReceivedFrame,
    Receiver,
    ReceiverModels,
    Sender,
)
from motioncast.client.rendering import HoldPredictor
from motioncast.client.two_ends import EVERY_FRAME
from motioncast.sending import Gate
from motioncast.timeline.pattern import Pattern

IMAGE = image_with_points((3, 4), (9, 7))
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)


def points(index: int) -> Keypoints:
    x = 0.9 * np.sin(0.3 * index)
    return np.array([[x, 0.1, 0.5], [-x, 0.9, 0.2]], np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ReceiverModels:
    repository = build_toy_repository(tmp_path_factory.mktemp("receiver"))
    add_tables(repository, turned_tables(2, 6))
    return ReceiverModels.of(repository, "toy", threads=1)


def ends(models: ReceiverModels, pattern: Pattern = EVERY_FRAME) -> tuple[Sender, Receiver]:
    opening = Opening("toy", models.tables.digest, 16, 16, 2, pattern=pattern)
    sender, receiver = Sender(opening, models.tables), Receiver(opening, models)
    sender.set_source(0, AT_SOURCE)
    assert list(receiver.add_source(0, IMAGE, AT_SOURCE)) == []
    return sender, receiver


def received(receiver: Receiver, packets: list[bytes]) -> list[ReceivedFrame]:
    return [frame for data in packets for frame in receiver.receive(data)]


def test_packets_that_overtake_one_another_and_come_twice_cost_nothing(
    models: ReceiverModels,
) -> None:
    sender, receiver = ends(models)
    packets = [one.data for index in range(40) for one in sender.push(index, points(index))]
    shuffled = [packets[n + (1 if n % 2 == 0 else -1)] for n in range(40)]
    frames = received(receiver, [one for one in shuffled for _ in range(2)])
    assert [frame.index for frame in frames] == list(range(40))
    assert {frame.origin for frame in frames} == {Origin.OBSERVED}
    _, in_order = ends(models)
    for ours, theirs in zip(frames, received(in_order, packets), strict=True):
        np.testing.assert_array_equal(ours.keypoints, theirs.keypoints)
        np.testing.assert_array_equal(ours.image, toy_frame(ours.keypoints))


def test_after_a_loss_an_anchor_is_asked_for_and_the_gap_is_forecast(
    models: ReceiverModels,
) -> None:
    sender, receiver = ends(models)
    frames: list[ReceivedFrame] = []
    for index in range(40):
        wanted = receiver.acknowledgement().stuck
        packets = [one.data for one in sender.push(index, points(index), anchor_wanted=wanted)]
        if index != 20:
            frames += received(receiver, packets)
    assert [frame.index for frame in frames] == list(range(40))
    # Packet 21 cannot be decoded, and this is reported; packet 22 refers to the source.
    concealed = [frame.index for frame in frames if frame.origin is Origin.CONCEALED]
    assert concealed == [20, 21]
    assert not receiver.acknowledgement().stuck
    observed = np.array([frame.origin is Origin.OBSERVED for frame in frames])
    keypoints = np.stack([frame.keypoints for frame in frames])
    np.testing.assert_allclose(keypoints, toy_path(keypoints, observed), atol=1e-6)


def test_a_long_timeline_is_forecast_as_if_it_had_been_seen_at_once(
    models: ReceiverModels,
) -> None:
    sender, receiver = ends(models, Pattern(256, 40))
    packets = [one.data for index in range(600) for one in sender.push(index, points(index))]
    frames = [*received(receiver, packets), *receiver.end(600)]
    observed = np.array([frame.origin is Origin.OBSERVED for frame in frames])
    assert observed.sum() == 256 + 256 + 8
    keypoints = np.stack([frame.keypoints for frame in frames])
    np.testing.assert_array_equal(keypoints, toy_path(keypoints, observed))


def test_a_gap_that_nobody_wants_concealed_begins_the_timeline_anew(
    models: ReceiverModels,
) -> None:
    sender, receiver = ends(models)
    packets = [one.data for index in (0, 1, 2000) for one in sender.push(index, points(index))]
    frames = received(receiver, packets)
    assert [frame.index for frame in frames] == [0, 1, 2000]
    assert receiver.jumps == 1


def test_without_a_predictor_the_last_keypoints_are_held() -> None:
    keypoints = np.stack([points(index) for index in range(5)])
    observed = np.array([True, True, False, False, True])
    forecast, state = HoldPredictor().advance(keypoints, observed, None)
    np.testing.assert_array_equal(forecast[1:], keypoints[[0, 1, 1, 1]])
    np.testing.assert_array_equal(state.reshape(2, 3), keypoints[4])


def test_other_models_bytes_that_are_none_and_packets_before_a_source_are_refused(
    models: ReceiverModels,
) -> None:
    opening = Opening("toy", "0" * 64, 16, 16, 2)
    with pytest.raises(InvalidRequestError, match="the local toy differs from the sender's"):
        Receiver(opening, models)
    with pytest.raises(InvalidRequestError, match="differ from those that the opening names"):
        Sender(opening, models.tables)
    opening = Opening("toy", models.tables.digest, 16, 16, 2)
    receiver = Receiver(opening, models)
    with pytest.raises(InvalidRequestError, match="packet: arrived before source 0"):
        receiver.receive(b"\x42\0\0\0")
    with pytest.raises(InvalidRequestError, match="image: shape"):
        receiver.add_source(0, IMAGE[:8], AT_SOURCE)
    receiver.add_source(0, IMAGE, AT_SOURCE)
    with pytest.raises(InvalidRequestError, match="packet: "):
        receiver.receive(b"\0nothing of the kind")
    with pytest.raises(InvalidRequestError, match="source"):
        Sender(opening, models.tables).push(0, AT_SOURCE)


def test_frames_that_nobody_asked_for_come_with_the_next_packet(models: ReceiverModels) -> None:
    sender, receiver = ends(models)
    first, second = (sender.push(index, points(index))[0].data for index in range(2))
    receiver.receive(first)
    assert [frame.index for frame in receiver.receive(second)] == [0, 1]


def test_a_repository_without_what_is_needed_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"codec\.json: cannot be read as codec tables"):
        ReceiverModels.of(tmp_path, "toy")


def test_what_a_gate_left_out_is_predicted_and_what_was_lost_concealed(
    models: ReceiverModels,
) -> None:
    opening = Opening("toy", models.tables.digest, 16, 16, 2)
    gate = Gate(1.0, heartbeat_frames=6)
    sender = Sender(opening, models.tables, policy=gate)
    receiver = Receiver(opening, models)
    sender.set_source(0, AT_SOURCE)
    receiver.add_source(0, IMAGE, AT_SOURCE)
    packets = [one.data for index in range(16) for one in sender.push(index, points(0))]
    assert len(packets) == 3  # 0, 6, 12
    frames = [*received(receiver, packets), *receiver.end(16, sender.left_out_before(16))]
    letters = "".join(frame.origin.value[0] for frame in frames)
    assert letters == "o" + "ppppp" + "o" + "ppppp" + "o" + "ppp"


def test_the_predictor_has_to_be_the_senders_where_its_gate_goes_by_it_and_the_synthesis_never(
    models: ReceiverModels, tmp_path: Path
) -> None:
    asked = Opening("toy", models.tables.digest, 16, 16, 2, predictor=models.predictor_digest)
    assert len(models.predictor_digest) == 64
    Receiver(asked, models)
    others = replace(models, predictor_digest="0" * 64)
    with pytest.raises(InvalidRequestError, match="the local toy predictor differs"):
        Receiver(asked, others)
    Receiver(replace(asked, predictor=""), others)
    repository = build_toy_repository(tmp_path)
    add_tables(repository, turned_tables(2, 6))
    synthesis = repository / "toy_synthesis" / "1" / "model.onnx"
    another = onnx.load(synthesis)
    another.doc_string = "another training"
    onnx.save(another, synthesis)
    Receiver(asked, ReceiverModels.of(repository, "toy", threads=1))
