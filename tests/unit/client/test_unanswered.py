"""A client keeps exactly the messages needed to resume its session."""

from __future__ import annotations

import pytest

from motioncast.client import unanswered
from motioncast.client.unanswered import Unanswered
from motioncast.timeline.pattern import Pattern
from motioncast.v1.common_pb2 import CodedKeypoints, Image
from motioncast.v1.motion_transfer_pb2 import (
    DrivingFrame,
    SourceImage,
    StreamConfig,
    StreamEnd,
    StreamRequest,
)

CONFIG = StreamRequest(config=StreamConfig(model="toy"))


def source(index: int) -> StreamRequest:
    return StreamRequest(source=SourceImage(index=index))


def frame(index: int, size: int = 0) -> StreamRequest:
    return StreamRequest(frame=DrivingFrame(index=index, image=Image(data=bytes(size))))


def packet(name: bytes) -> StreamRequest:
    return StreamRequest(coded=CodedKeypoints(data=name))


def sent_again(kept: Unanswered) -> list[StreamRequest]:
    """Returns the messages sent by a session resuming now."""
    opening, place = kept.begin()
    while (message := kept.next(place)) is not None:
        opening.append(message)
        place += 1
    return opening


def pass_on(kept: Unanswered) -> None:
    """Sends the pending messages."""
    sent_again(kept)


def test_without_a_token_everything_is_sent_again() -> None:
    messages = [CONFIG, source(0), frame(0), frame(1)]
    kept = Unanswered(Pattern(1, 0), keeps=True)
    kept.add(messages, [])
    assert sent_again(kept) == messages
    assert kept.can_go_on


def test_what_a_token_covers_is_let_go_and_sources_in_force_come_first() -> None:
    kept = Unanswered(Pattern(2, 2), keeps=True)
    kept.add([CONFIG, source(0), frame(0), frame(1), source(2), frame(4), frame(5)], [])
    kept.answer(b"token", 4)  # source 2 was added when frames up to 3 were due
    config, *rest = sent_again(kept)
    assert config.config.resume_token == b"token"
    assert rest == [source(0), source(2), frame(4), frame(5)]
    kept.answer(b"newer", 8)
    config, *rest = sent_again(kept)
    assert config.config.resume_token == b"newer"
    assert rest == [source(0), source(2)]


def test_a_source_that_was_not_used_yet_stays_in_its_place() -> None:
    kept = Unanswered(Pattern(1, 0), keeps=True)
    kept.add([CONFIG, source(0), frame(0), frame(1), source(1), frame(2)], [])
    kept.answer(b"token", 2)
    assert sent_again(kept)[1:] == [source(0), source(1), frame(2)]
    kept.answer(b"token", 1)  # never in practice; dropped messages stay dropped
    assert sent_again(kept)[1:] == [source(0), source(1), frame(2)]


def test_a_packet_stays_until_its_last_frame_is_answered() -> None:
    kept = Unanswered(Pattern(1, 0), keeps=True)
    kept.add([CONFIG, source(0), packet(b"0-2"), packet(b"3-5"), packet(b"6-8")], [2, 5, 8])
    kept.answer(b"token", 5)
    assert sent_again(kept)[1:] == [source(0), packet(b"3-5"), packet(b"6-8")]


def test_the_end_is_sent_again() -> None:
    end = StreamRequest(end=StreamEnd(frame_count=2))
    kept = Unanswered(Pattern(1, 0), keeps=True)
    kept.add([CONFIG, source(0), frame(0), frame(1), end], [])
    kept.answer(b"token", 2)
    assert sent_again(kept)[1:] == [source(0), end]


def test_what_is_too_large_is_not_kept_and_until_the_next_token_nothing_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unanswered, "MOST_BYTES", 1000)
    kept = Unanswered(Pattern(1, 0), keeps=True)
    kept.add([CONFIG, source(0)], [])
    for index in range(4):
        kept.add([frame(index, 400)], [])
        pass_on(kept)
    assert not kept.can_go_on
    kept.answer(b"token", 2)
    assert kept.can_go_on
    assert sent_again(kept)[1:] == [source(0), frame(2, 400), frame(3, 400)]


def test_what_was_not_sent_yet_is_kept_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unanswered, "MOST_BYTES", 1000)
    kept = Unanswered(Pattern(1, 0), keeps=True)
    messages = [frame(index, 400) for index in range(4)]
    kept.add([CONFIG, source(0), *messages], [])
    assert sent_again(kept) == [CONFIG, source(0), *messages]


def test_a_session_that_does_not_go_on_keeps_nothing_that_was_sent() -> None:
    kept = Unanswered(Pattern(1, 0), keeps=False)
    kept.add([CONFIG, source(0), frame(0), frame(1)], [])
    assert not kept.can_go_on
    assert kept.next(0) == source(0)
    assert kept.next(1) == frame(0)
    assert kept.next(2) == frame(1)
    assert kept.next(3) is None
