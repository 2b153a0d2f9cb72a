"""Every frame is shown on time: known, interpolated, forecast, or blended after a correction."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
from support.codec_tables import plain_tables

from motioncast.emulation import Link, Network
from motioncast.sending import (
    REFERENCES,
    KeypointReceiver,
    Keypoints,
    KeypointSender,
    Playout,
)
from motioncast.timeline.origin import Origin
from motioncast.timeline.pattern import Pattern

RATE = 25.0


def at(index: float) -> Keypoints:
    """Returns keypoints (1, 3) that move at constant velocity."""
    return np.array([[0.01 * index, -0.01 * index, 0.5]], np.float32)


def x(keypoints: Keypoints) -> float:
    return float(keypoints[0, 0]) / 0.01


def played(
    arrivals: Mapping[int, float], frames: int, playout: Playout
) -> list[tuple[int, Origin, float]]:
    """Returns the frames shown if frame `i` arrives `arrivals[i]` frames after frame 0 is made."""
    shown = []
    for tick in range(frames):
        for index, time in arrivals.items():
            if tick - 1 < time <= tick:
                playout.arrive(index, at(index), time / RATE)
        if (frame := playout.show(tick / RATE)) is not None:
            shown.append((frame.index, frame.origin, round(x(frame.keypoints), 3)))
    return shown


def test_frames_that_come_in_time_are_shown_as_they_are_one_at_a_tick() -> None:
    shown = played({i: i for i in range(6)}, 6, Playout(RATE))
    assert shown == [(i, Origin.OBSERVED, i) for i in range(6)]


def test_a_lost_frame_is_held_and_with_one_of_delay_interpolated() -> None:
    arrivals = {0: 0, 1: 1, 3: 3, 4: 4}
    held = played(arrivals, 5, Playout(RATE, blend_frames=0))
    assert held[2] == (2, Origin.PREDICTED, 1)
    waited = played(arrivals, 6, Playout(RATE, delay_frames=1, blend_frames=0))
    assert waited == [(i, Origin.OBSERVED if i != 2 else Origin.PREDICTED, i) for i in range(5)]


def test_a_frame_that_the_pattern_expects_is_concealed_and_another_one_predicted() -> None:
    playout = Playout(RATE, blend_frames=0, pattern=Pattern(2, 1))
    shown = played({0: 0, 1: 1, 4: 4}, 5, playout)
    assert [origin for _, origin, _ in shown] == [
        Origin.OBSERVED,
        Origin.OBSERVED,
        Origin.PREDICTED,
        Origin.CONCEALED,
        Origin.OBSERVED,
    ]


def test_a_late_frame_corrects_what_follows_within_the_frames_of_the_blend() -> None:
    arrivals = {0: 0.0, 1: 1.0, 4: 7.0}  # 4 arrives three frames late; nothing after it
    sudden = played(arrivals, 12, Playout(RATE, blend_frames=0))
    assert [value for _, _, value in sudden] == [0, 1, 1, 1, 1, 1, 1, 4, 4, 4, 4, 4]
    smooth = played(arrivals, 12, Playout(RATE, blend_frames=3))
    assert [value for _, _, value in smooth] == [0, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4]


def test_no_jump_is_larger_than_its_share_of_the_correction() -> None:
    frames = played({0: 0, 12: 12, 13: 13, 14: 14, 15: 15, 16: 16}, 17, Playout(RATE))
    values = [value for _, _, value in frames]
    assert max(abs(b - a) for a, b in pairwise(values)) <= 12 / 3 + 1
    assert values[-1] == 16


def test_a_clock_that_is_asked_late_shows_the_newest_frame_alone() -> None:
    playout = Playout(RATE)
    for index in range(10):
        playout.arrive(index, at(index), index / RATE)
    first, last = playout.show(0.0), playout.show(7.4 / RATE)
    assert first is not None
    assert last is not None
    assert (first.index, last.index) == (0, 7)
    assert playout.show(7.9 / RATE) is None


def test_the_clock_follows_the_fastest_packet_before_anything_is_shown() -> None:
    playout = Playout(RATE, delay_seconds=0.1)
    playout.arrive(0, at(0), 0.09)  # the first one took 90 ms
    playout.arrive(1, at(1), 0.05)  # the second 10 ms
    assert playout.show(0.1) is None
    shown = playout.show(0.11)
    assert shown is not None
    assert shown.index == 0


def test_what_is_known_twice_far_too_late_or_far_ahead_is_of_no_use() -> None:
    playout = Playout(RATE)
    assert playout.arrive(0, at(0), 0.0)
    assert not playout.arrive(0, at(9), 0.0)
    assert not playout.arrive(5000, at(0), 0.0)
    playout.arrive(100, at(100), 4.0)
    playout.show(4.0)
    assert not playout.arrive(1, at(1), 4.0)


def test_a_burst_delay_jitter_and_reordering_leave_every_frame_shown_once_and_in_order() -> None:
    link = Link(
        loss=0.2,
        mean_burst=4,
        delay_seconds=0.06,
        jitter_seconds=0.03,
        reordered=0.1,
        duplicated=0.1,
    )
    tables = plain_tables(1)
    network, answers = Network(link, 4), Network(Link(delay_seconds=0.06), 5)
    sender = KeypointSender(tables, references=REFERENCES["adaptive"])
    receiver = KeypointReceiver(tables)
    for end in (sender, receiver):
        end.set_source(0, at(0))
    playout, shown = Playout(RATE, delay_seconds=0.04, delay_frames=2), []
    for tick in range(300):
        now = tick / RATE
        for arrival in network.deliver(now):
            for got in receiver.receive(arrival.data):
                playout.arrive(got.index, got.keypoints, arrival.seconds)
            answers.send(b"", now)
        if answers.deliver(now):
            sender.acknowledge(receiver.acknowledgement())
        for packet in sender.push(tick, at(np.sin(tick / 5) * 9)):
            network.send(packet.data, now)
        if (frame := playout.show(now)) is not None:
            shown.append(frame)
    assert [one.index for one in shown] == list(range(shown[0].index, shown[-1].index + 1))
    assert shown[-1].index >= 293
    known = [one for one in shown if one.origin is Origin.OBSERVED]
    assert 0.65 <= len(known) / len(shown) <= 0.95
    error = [abs(x(one.keypoints) - np.sin(one.index / 5) * 9) for one in shown]
    assert np.mean(error) < 1.0


@pytest.mark.parametrize(
    "arguments", [{"frame_rate": 0.0}, {"delay_seconds": 11.0}, {"blend_frames": 65}]
)
def test_a_clock_that_cannot_be_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Playout(**arguments)  # type: ignore[arg-type]
