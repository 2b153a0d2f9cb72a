"""Runs streams while the fleet serving them is disturbed, and collects their results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from support.toy_models import image_with_points

from motioncast.client import Frame, Pixels, connect_sync

STREAMS: Final = 4
FRAMES: Final = 96
MEANWHILE: Final = 32  # the disturbance begins once all streams have this frame
WAITS: Final = 64  # from this frame on, streams wait for the disturbance to end


@dataclass
class Stage:
    """Synchronises the streams with the disturbance.

    Attributes:
        came: Released by each stream that has received frame MEANWHILE.
        over: Set when the disturbance is over.
    """

    came: threading.Semaphore
    over: threading.Event


@dataclass(frozen=True)
class Seen:
    """The results of one stream."""

    frames: list[tuple[int, str, bytes, bytes]]
    resumes: int


def stream_all(targets: Sequence[str], disturb: Callable[[], None]) -> list[Seen]:
    """Runs all streams at once, half preferring the second orchestrator, and disturbs them."""
    stage = Stage(threading.Semaphore(0), threading.Event())
    with ThreadPoolExecutor(STREAMS) as threads:
        streams = [
            threads.submit(_stream, targets[:: 1 if number % 4 < 2 else -1], number, stage)
            for number in range(STREAMS)
        ]
        for one in streams:
            one.add_done_callback(lambda _: stage.came.release())  # do not wait for failed streams
        try:
            for _ in range(STREAMS):
                assert stage.came.acquire(timeout=120)
            disturb()
        finally:
            stage.over.set()
        return [one.result(300) for one in streams]


def same(got: list[Seen], undisturbed: list[Seen]) -> None:
    """Asserts that every stream has each frame once, bit-identical to the undisturbed run."""
    for one, expected in zip(got, undisturbed, strict=True):
        assert [frame[0] for frame in one.frames] == list(range(FRAMES))
        assert one.frames == expected.frames


def _video(number: int, stage: Stage) -> Iterator[Pixels]:
    """Yields the frames of a stream, slowly from frame WAITS until the disturbance is over."""
    for t in range(FRAMES):
        if t >= WAITS:
            stage.over.wait(2)  # a client silent for ten seconds is dropped
        yield image_with_points(((number + t * t) % 16, t % 16), ((3 * t) % 16, number % 16))


def _stream(targets: Sequence[str], number: int, stage: Stage) -> Seen:
    # Half of the streams send every frame, half forecast some.
    predicted = 2 * (number % 2)
    frames = []
    # The client abandons a hung server for unanswered PINGs, not for sending nothing.
    with connect_sync(targets, resume_seconds=60, stall_seconds=300) as service:
        streaming = service.stream(
            _video(number, stage), observed=2, predicted=predicted, seed=number, timeout=300
        )
        for frame in streaming:
            frames.append(_told(frame))
            if frame.index == MEANWHILE:
                stage.came.release()
        resumes = streaming.resumes
        assert streaming.report.observed_frames + streaming.report.predicted_frames == FRAMES
    return Seen(frames, resumes)


def _told(frame: Frame) -> tuple[int, str, bytes, bytes]:
    return frame.index, frame.origin.name, frame.keypoints.tobytes(), frame.image.tobytes()
