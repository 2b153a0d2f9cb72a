"""A live receiver shows every frame on time, by a clock that the test controls."""

from __future__ import annotations

import numpy as np
import pytest
from support.codec_tables import add_tables, turned_tables
from support.toy_models import build_toy_repository, image_with_points

from motioncast.client import InvalidRequestError, Keypoints, ReceiverModels
from motioncast.client.live import LiveReceiver
from motioncast.client.two_ends import Opening, ReceivedFrame
from motioncast.emulation import Link, Network
from motioncast.sending import REFERENCES, KeypointSender
from motioncast.timeline.origin import Origin

RATE = 25.0
IMAGE = image_with_points((3, 4), (9, 7))
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ReceiverModels:
    repository = build_toy_repository(tmp_path_factory.mktemp("live"))
    add_tables(repository, turned_tables(2, 6))
    return ReceiverModels.of(repository, "toy", threads=1)


@pytest.fixture
def opening(models: ReceiverModels) -> Opening:
    return Opening("toy", models.tables.digest, 16, 16, 2, RATE)


def moved(index: int) -> Keypoints:
    keypoints = AT_SOURCE.copy()
    keypoints[:, 0] += 0.004 * index
    return keypoints


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def played(
    receiver: LiveReceiver, clock: Clock, models: ReceiverModels, link: Link, frames: int
) -> list[ReceivedFrame]:
    """Sends frames over a link, one per tick; returns the frames shown."""
    network, shown = Network(link, seed=3), []
    sender = KeypointSender(models.tables.tables, references=REFERENCES["source"])
    sender.set_source(0, AT_SOURCE)
    receiver.add_source(0, IMAGE, AT_SOURCE)
    for tick in range(frames + 30):
        clock.now = tick / RATE
        for packet in sender.push(tick, moved(tick)) if tick < frames else []:
            network.send(packet.data, clock.now)
        for arrival in network.deliver(clock.now):
            receiver.receive(arrival.data)
        if tick == frames - 1:
            receiver.end(frames)
        if (frame := receiver.show()) is not None:
            shown.append(frame)
    return shown


def test_over_a_good_link_every_frame_is_shown_when_it_comes(
    models: ReceiverModels, opening: Opening
) -> None:
    clock = Clock()
    receiver = LiveReceiver(opening, models, clock=clock)
    shown = played(receiver, clock, models, Link(), 10)
    assert [frame.index for frame in shown] == list(range(10))
    assert {frame.origin for frame in shown} == {Origin.OBSERVED}
    assert shown[0].image.shape == (16, 16, 3)
    assert receiver.over


def test_a_lost_frame_is_between_its_neighbours_where_there_is_a_delay(
    models: ReceiverModels, opening: Opening
) -> None:
    clock = Clock()
    receiver = LiveReceiver(opening, models, delay_frames=3, blend_frames=0, clock=clock)
    shown = played(receiver, clock, models, Link(loss=0.2), 60)
    assert [frame.index for frame in shown] == list(range(shown[0].index, 60))
    assert any(frame.origin is not Origin.OBSERVED for frame in shown[:-4])
    for frame in shown[:-4]:  # the last ones may have no successor
        assert np.abs(frame.keypoints - moved(frame.index)).max() < 0.02


def test_a_viewer_that_is_slow_leaves_frames_out(models: ReceiverModels, opening: Opening) -> None:
    clock = Clock()
    receiver = LiveReceiver(opening, models, clock=clock)
    sender = KeypointSender(models.tables.tables)
    sender.set_source(0, AT_SOURCE)
    receiver.add_source(0, IMAGE, AT_SOURCE)
    shown = []
    for tick in range(30):
        clock.now = tick / RATE
        for packet in sender.push(tick, moved(tick)):
            receiver.receive(packet.data)
        if tick % 10 == 0 and (frame := receiver.show()) is not None:
            shown.append(frame.index)
    assert shown == [0, 10, 20]
    assert receiver.wait_seconds() == 0


def test_the_next_frame_is_waited_for_no_longer_than_it_takes(
    models: ReceiverModels, opening: Opening
) -> None:
    clock = Clock()
    receiver = LiveReceiver(opening, models, delay_seconds=0.05, clock=clock)
    assert receiver.wait_seconds() == 0.1  # nothing received yet
    sender = KeypointSender(models.tables.tables)
    sender.set_source(0, AT_SOURCE)
    receiver.add_source(0, IMAGE, AT_SOURCE)
    (packet,) = sender.push(0, moved(0))
    receiver.receive(packet.data)
    assert receiver.show() is None
    assert receiver.wait_seconds() == pytest.approx(0.05)
    clock.now = 0.05
    assert receiver.show() is not None
    assert receiver.wait_seconds() == pytest.approx(0.04)


def test_what_cannot_be_is_refused(models: ReceiverModels, opening: Opening) -> None:
    with pytest.raises(InvalidRequestError, match="delay_frames"):
        LiveReceiver(opening, models, delay_frames=65)
    receiver = LiveReceiver(opening, models)
    with pytest.raises(InvalidRequestError, match="image: shape"):
        receiver.add_source(0, IMAGE[:8], AT_SOURCE)
    with pytest.raises(InvalidRequestError, match="packet: packet: version 0"):
        receiver.receive(bytes(8))
