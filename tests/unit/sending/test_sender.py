"""Packets decode to what the sender expects, and losses last no longer than references allow."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.codec_tables import plain_tables

from motioncast.codec import BitstreamError, EncodingError, parse_header
from motioncast.sending import (
    REFERENCES,
    Acknowledgement,
    Gate,
    KeypointReceiver,
    Keypoints,
    KeypointSender,
    Regular,
    SentPacket,
)
from motioncast.timeline.pattern import Pattern

K = 4
TABLES = plain_tables(K)
SOURCE = np.full((K, 3), 0.5, np.float32)


def walk(frames: int, seed: int = 0) -> np.ndarray:
    moves = np.random.default_rng(seed).normal(0, 0.02, (frames, K, 3))
    clipped: np.ndarray = np.clip(SOURCE + np.cumsum(moves, axis=0), [-1, -1, 0], 1)
    return clipped.astype(np.float32)


def ends(sender: KeypointSender) -> tuple[KeypointSender, KeypointReceiver]:
    receiver = KeypointReceiver(TABLES)
    sender.set_source(0, SOURCE)
    receiver.set_source(0, SOURCE)
    return sender, receiver


def sent_by(sender: KeypointSender, frames: np.ndarray) -> list[SentPacket]:
    packets = [one for index, frame in enumerate(frames) for one in sender.push(index, frame)]
    return packets + sender.flush()


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("wait", [0, 2, 7, 12])
def test_every_frame_comes_once_whatever_it_refers_to_and_waits_for(name: str, wait: int) -> None:
    frames = walk(40)
    sender, receiver = ends(KeypointSender(TABLES, references=REFERENCES[name], wait_frames=wait))
    found: dict[int, Keypoints] = {}
    for packet in sent_by(sender, frames):
        for frame in receiver.receive(packet.data):
            assert frame.index not in found
            found[frame.index] = frame.keypoints
    assert list(found) == list(range(40))
    for index, keypoints in found.items():
        assert np.abs(keypoints - frames[index]).max() <= 80 / 16384


def test_frames_wait_no_longer_than_they_may_and_eight_go_together_at_most() -> None:
    sender, _ = ends(KeypointSender(TABLES, wait_frames=2))
    assert [one.frames for one in sent_by(sender, walk(8))] == [(0, 1, 2), (3, 4, 5), (6, 7)]
    sender, _ = ends(KeypointSender(TABLES, wait_frames=100))
    assert [len(one.frames) for one in sent_by(sender, walk(20))] == [8, 8, 4]
    sender, _ = ends(KeypointSender(TABLES, Regular(Pattern(1, 2)), wait_frames=4))
    assert [one.frames for one in sent_by(sender, walk(12))] == [(0, 3), (6, 9)]


def test_copies_are_the_same_bytes_and_come_later() -> None:
    sender, receiver = ends(KeypointSender(TABLES, copies=2, copy_spacing_frames=3))
    sequence = [(one.frames[0], one.copy) for one in sent_by(sender, walk(6))]
    assert [frame for frame, copy in sequence if copy == 0] == [0, 1, 2, 3, 4, 5]
    assert [frame for frame, copy in sequence if copy == 1] == [0, 1, 2, 3, 4, 5]
    assert sequence.index((0, 1)) == sequence.index((3, 0)) - 1
    sender, receiver = ends(KeypointSender(TABLES, copies=2))
    sequence = [(one.frames[0], one.copy) for one in sent_by(sender, walk(3))]
    assert sequence == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]  # immediately
    sender, receiver = ends(KeypointSender(TABLES, copies=2))
    kept = [frame for p in sent_by(sender, walk(6)) for frame in receiver.receive(p.data)]
    assert len(kept) == 6


def test_a_coarser_gate_has_those_sent_twice_that_would_be_missed_most() -> None:
    steps = np.array([0.0, 0.6, 1.2, 1.8, 2.4, 3.0]) * 2 / 255  # pixels of 256
    frames = SOURCE + np.zeros((6, K, 3), np.float32)
    frames[:, 0, 0] += steps
    sender, _ = ends(KeypointSender(TABLES, copies=2, copied=Gate(1.0), coarseness=0))
    again = [one.frames[0] for one in sent_by(sender, frames) if one.copy == 1]
    assert again == [0, 2, 4]


def test_copies_may_be_limited_to_two_seconds_after_a_loss() -> None:
    sender, receiver = ends(KeypointSender(TABLES, copies=2, copied_after_loss=True))
    copied = []
    for index, frame in enumerate(walk(130)):
        packets = sender.push(index, frame)
        copied += [index for one in packets if one.copy]
        if index != 60:
            receiver.receive(packets[0].data)
        sender.acknowledge(receiver.acknowledgement())
    # 61 cannot be decoded, and 62 is an anchor: its acknowledgement shows what was lost.
    assert copied == list(range(62, 62 + 50))


def test_a_lost_frame_takes_no_other_with_it_where_references_are_acknowledged() -> None:
    sender, receiver = ends(KeypointSender(TABLES, references=REFERENCES["acknowledged"]))
    lost, found = {3, 4, 11}, []
    for index, frame in enumerate(walk(20)):
        for packet in sender.push(index, frame):
            if index not in lost:
                found += [one.index for one in receiver.receive(packet.data)]
        sender.acknowledge(receiver.acknowledgement())
    assert found == [index for index in range(20) if index not in lost]


def test_the_adaptive_choice_trusts_a_link_that_was_clean_for_two_seconds() -> None:
    sender, receiver = ends(KeypointSender(TABLES, references=REFERENCES["adaptive"]))
    distances = []
    for index, frame in enumerate(walk(170)):
        (packet,) = sender.push(index, frame)
        distances.append(parse_header(packet.data).distance)
        if index != 61:
            receiver.receive(packet.data)
        if index % 3 == 2:  # acknowledgements arrive for every third frame
            sender.acknowledge(receiver.acknowledgement())
    assert distances[:3] == [0, 0, 0]  # the source
    assert distances[3:9] == [1, 2, 3, 1, 2, 3]  # the acknowledged frame: 2, then 5
    assert distances[51:63] == [1] * 12  # the previous frame; 61 is lost, and 62 with it
    assert distances[63:66] == [3, 4, 5]  # to 60
    assert distances[66:72] == [1, 2, 3, 1, 2, 3]
    assert distances[-6:] == [1] * 6


def test_a_receiver_that_never_answers_is_sent_a_chain_after_two_seconds() -> None:
    sender, _ = ends(KeypointSender(TABLES, references=REFERENCES["adaptive"]))
    distances = [parse_header(one.data).distance for one in sent_by(sender, walk(60))]
    assert distances == [0] * 50 + [1] * 10


def test_a_chain_that_broke_is_mended_by_an_anchor_on_request() -> None:
    sender, receiver = ends(KeypointSender(TABLES, references=REFERENCES["before"]))
    found = []
    for index, frame in enumerate(walk(12)):
        (packet,) = sender.push(index, frame)
        if index != 4:
            found += [one.index for one in receiver.receive(packet.data)]
        sender.acknowledge(receiver.acknowledgement())
    assert found == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]  # 5 revealed the loss, 6 is an anchor


def test_a_gated_frame_that_was_lost_is_replaced_when_its_answer_stays_away() -> None:
    gate = Gate(1.0, heartbeat_frames=200)
    sender, receiver = ends(KeypointSender(TABLES, gate, REFERENCES["adaptive"]))
    still, moved = walk(1)[0], walk(1)[0] + np.float32(0.1)
    sent = []
    for index in range(20):
        frame = still if index < 4 else moved
        for packet in sender.push(index, frame):
            sent.append(index)
            if index != 4:
                receiver.receive(packet.data)
        sender.acknowledge(receiver.acknowledgement())
    assert sent == [0, 4, 7]  # acknowledgements arrive at once; two frames of patience


def test_a_packet_that_overtook_its_reference_waits_for_it() -> None:
    sender, receiver = ends(KeypointSender(TABLES, references=REFERENCES["before"]))
    first, second, third = sent_by(sender, walk(3))
    assert receiver.receive(first.data)
    assert receiver.receive(third.data) == []
    assert receiver.acknowledgement() == Acknowledgement(0, 0, stuck=True)
    assert [one.index for one in receiver.receive(second.data)] == [1, 2]
    assert receiver.acknowledgement() == Acknowledgement(2, 0b11)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(sorted(REFERENCES)))
def test_any_order_and_any_loss_give_frames_as_the_sender_has_them_or_none(
    chance: random.Random, name: str
) -> None:
    frames = walk(30, seed=chance.randrange(1000))
    sender, receiver = ends(
        KeypointSender(TABLES, references=REFERENCES[name], wait_frames=chance.randrange(3))
    )
    under_way: list[SentPacket] = []
    for index, frame in enumerate(frames):
        under_way += [one for one in sender.push(index, frame) if chance.random() < 0.8]
        chance.shuffle(under_way)
        while under_way and chance.random() < 0.6:
            for got in receiver.receive(under_way.pop().data):
                assert np.abs(got.keypoints - frames[got.index]).max() <= 80 / 16384
        if chance.random() < 0.7:
            sender.acknowledge(receiver.acknowledgement())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(EncodingError, match="required before the first frame"):
        KeypointSender(TABLES).push(0, SOURCE)
    with pytest.raises(ValueError, match="copies: 5, expected 1 to 4"):
        KeypointSender(TABLES, copies=5)
    with pytest.raises(BitstreamError):
        ends(KeypointSender(TABLES))[1].receive(b"\0\0")


def test_acknowledgements_of_frames_that_were_never_sent_change_nothing() -> None:
    sender, _ = ends(KeypointSender(TABLES, references=REFERENCES["acknowledged"]))
    sender.push(0, SOURCE)
    sender.acknowledge(Acknowledgement(900, 2**32 - 1))
    assert sender.link.newest_acknowledged is None
