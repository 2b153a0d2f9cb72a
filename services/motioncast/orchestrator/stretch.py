"""A stretch: consecutive frames of the timeline that are processed together."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from motioncast.orchestrator.ahead import Ahead
from motioncast.orchestrator.settings import MAX_STRETCH_FRAMES
from motioncast.orchestrator.sources import Sourced, Sources
from motioncast.timeline.due import Slot, Timeline, TimelineError, TooLateError
from motioncast.timeline.interpolation import worth_waiting
from motioncast.timeline.origin import Origin
from motioncast.timeline.pattern import Pattern
from motioncast.tracing import Parts, Span
from motioncast.v1.common_pb2 import Image, KeypointSet
from motioncast.v1.motion_transfer_pb2 import StreamEnd
from motioncast.wire.errors import InvalidInputError, OutOfOrderError
from motioncast.wire.keypoints import Keypoints, decode_keypoints

Arrival: TypeAlias = Image | KeypointSet  # what the sender supplied for a frame


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame that arrived."""

    index: int
    arrival: Arrival
    skipped: int = 0  # frames directly before it that the sender skipped on purpose


@dataclass(frozen=True, slots=True)
class Late:
    """A frame that arrived after it was due, and was therefore forecast."""

    index: int
    keypoints: KeypointSet


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that is due, and the sender's input for it: None unless it is OBSERVED."""

    origin: Origin
    arrival: Arrival | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """The frames `start`, `start + 1`, ... of the timeline.

    Attributes:
        complete_at: Arrival of the last message it waited for, on time.perf_counter's clock.
        sources: The sources that its frames are made from.
        late: Late arrivals since the previous stretch, of frames before this one.
        left_out: Number of leading frames that are skipped, because newer ones arrived.
    """

    start: int
    frames: tuple[Frame, ...]
    complete_at: float
    sources: Sources
    late: tuple[Late, ...] = ()
    left_out: int = 0

    @property
    def end(self) -> int:
        """The first index past the stretch."""
        return self.start + len(self.frames)


def keypoints_of(late: Iterable[Late], count: int) -> dict[int, Keypoints]:
    """Returns the keypoints (K, 3) of late frames by index; `count` is K."""
    return {one.index: decode_keypoints(one.keypoints, count) for one in late}


def begin_group(groups: Parts, stretch: Stretch) -> Span:
    """Begins the span of a stretch, at the time when the stretch was complete."""

    def attributes() -> dict[str, int]:
        origins = Counter(frame.origin for frame in stretch.frames)
        return {
            "motioncast.group.start": stretch.start,
            **{f"motioncast.group.{one.name.lower()}_frames": origins[one] for one in Origin},
        }

    return groups.begin(attributes, stretch.complete_at)


def stretch_end(pattern: Pattern, index: int) -> int:
    """Returns the end of the stretch that a frame belongs to.

    A stretch is a group of the pattern, cut where it is longer than MAX_STRETCH_FRAMES. The cuts
    depend on nothing else, so a session is always processed in the same way.
    """
    group_end = pattern.group_end(index)
    group_start = group_end - pattern.group_frames
    offset = (index - group_start) // MAX_STRETCH_FRAMES + 1
    return min(group_start + offset * MAX_STRETCH_FRAMES, group_end)


async def cut_stretches(
    arrivals: AsyncIterator[Arrived | Late | Sourced | StreamEnd],
    pattern: Pattern,
    frame_count: int | None,
    sources: Sources,
    delay_frames: int = 0,
    start: int = 0,
    *,
    started: bool = False,
) -> AsyncGenerator[Stretch, None]:
    """Yields the timeline's stretches, each as soon as all of its frames are due.

    A source that arrives in between ends the stretch: the frames already due do not use it. With a
    delay, missing frames at the end of a stretch are left to the next one, as long as a frame near
    enough to interpolate may still arrive.

    Args:
        arrivals: What a client sends.
        pattern: The session's pattern.
        frame_count: Length of the whole timeline; None when unknown.
        sources: The sources that the session begins with.
        delay_frames: Number of frames that may be waited for.
        start: The first frame, in a resumed session: the end of a stretch.
        started: Whether any frame was observed before it.

    Raises:
        OutOfOrderError: An index goes back, or its frame was due already.
        InvalidInputError: An index or a number of frames cannot follow the earlier ones.
    """
    timeline = Timeline(pattern, frame_count, start, started=started)
    frames: list[Frame] = []
    late: list[Late] = []
    end = start

    def cut(left: int = 0) -> Stretch:
        count = len(frames) - left
        first, now = end - len(frames), time.perf_counter()
        stretch = Stretch(first, tuple(frames[:count]), now, sources, tuple(late))
        del frames[:count]
        late.clear()
        return stretch

    def completes(slot: Slot, arrival: Arrival | None) -> Stretch | None:
        nonlocal end
        frames.append(Frame(slot.origin, arrival))
        end = slot.index + 1
        if end == frame_count:
            return cut()
        if end != stretch_end(pattern, slot.index) and len(frames) < MAX_STRETCH_FRAMES:
            return None
        ahead = pattern.next_expected(end) - slot.index
        left = worth_waiting(_missing(frames), ahead, delay_frames)
        return cut(left) if left < len(frames) else None

    for slot in timeline.go_on():
        if stretch := completes(slot, None):
            yield stretch
    async for arrived in arrivals:
        if isinstance(arrived, Sourced):
            if frames:
                yield cut()
            sources = sources.joined(arrived)
            continue
        if isinstance(arrived, Late):
            late.append(arrived)
            continue
        if isinstance(arrived, StreamEnd):
            with _in_the_words_of_the_wire():
                timeline.end(arrived.frame_count, arrived.skipped_frames)
            continue
        index, arrival = arrived.index, arrived.arrival
        with _in_the_words_of_the_wire():
            due = timeline.arrive(index, arrived.skipped)
        for slot in due:
            if stretch := completes(slot, arrival if slot.index == index else None):
                yield stretch
    with _in_the_words_of_the_wire():
        due = timeline.close()
    for slot in due:
        if stretch := completes(slot, None):
            yield stretch
    if frames:  # the timeline ends within a group
        yield cut()


async def merge_stretches(
    stretches: Ahead[Stretch], max_frames: int
) -> AsyncGenerator[Stretch, None]:
    """Yields the stretches; those already waiting are processed together, up to max_frames.

    No merged stretch crosses a multiple of max_frames, because resume tokens are made there.

    Short groups then cost fewer calls under load, and without load nothing waits.
    """
    async for stretch in stretches:
        merged, most = [stretch], (stretch.start // max_frames + 1) * max_frames
        while (
            (following := stretches.peek())
            and following.end <= most
            and following.sources is stretch.sources
        ):
            merged.append(stretches.take())
        frames = tuple(frame for one in merged for frame in one.frames)
        late = tuple(one for part in merged for one in part.late)
        yield Stretch(stretch.start, frames, merged[-1].complete_at, stretch.sources, late)


async def latest_stretches(stretches: Ahead[Stretch]) -> AsyncGenerator[Stretch, None]:
    """Yields the newest of the waiting stretches, as the end of one that includes the others.

    The frames of the others are skipped. Their pictures are released without detecting keypoints;
    keypoints that were received do reach the predictor, so that its forecast continues from them.
    """
    async for stretch in stretches:
        older: list[Stretch] = []
        newest = stretch
        while (
            (following := stretches.peek())
            and following.end - stretch.start <= MAX_STRETCH_FRAMES
            and following.sources is stretch.sources
        ):
            older.append(newest)
            newest = stretches.take()
        left_out = tuple(_without_picture(frame) for one in older for frame in one.frames)
        frames = left_out + newest.frames
        late = tuple(late for one in (*older, newest) for late in one.late)
        at, sources = newest.complete_at, newest.sources
        yield Stretch(stretch.start, frames, at, sources, late, len(left_out))


def _without_picture(frame: Frame) -> Frame:
    return Frame(Origin.CONCEALED, None) if isinstance(frame.arrival, Image) else frame


def _missing(frames: list[Frame]) -> int:
    """Returns how many frames at the end are missing."""
    came = (n for n, frame in enumerate(reversed(frames)) if frame.arrival is not None)
    return next(came, len(frames))


@contextmanager
def _in_the_words_of_the_wire() -> Iterator[None]:
    """Turns an error of the timeline into the error that a client gets."""
    try:
        yield
    except TimelineError as error:
        kind = OutOfOrderError if isinstance(error, TooLateError) else InvalidInputError
        raise kind(str(error), field=error.field) from None
