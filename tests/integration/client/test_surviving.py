"""Streams go on while any one process of a fleet is killed, hangs or is told to stop.

Two orchestrators and two of every service behind them run as processes. Every stream has to give
what it gives undisturbed, bit for bit, each frame once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from support.fleet import Fleet, fleet
from support.toy_models import build_toy_repository, image_with_points

from motioncast.client import Frame, Pixels, connect_sync

STREAMS = 4
FRAMES = 96
MEANWHILE = 32  # frame that all streams have before anything happens
WAITS = 64  # frame that they get to while it happens
NEAREST = ("orchestrator-0", "orchestrator-1")  # what streams are connected to


@dataclass
class Stage:
    """What streams and the one who disturbs them wait for.

    Attributes:
        came: Streams whose frame MEANWHILE came.
        over: Whether the disturbance has been made.
    """

    came: threading.Semaphore
    over: threading.Event


@dataclass(frozen=True)
class Seen:
    """What one stream gave, and how it went."""

    frames: list[tuple[int, str, bytes, bytes]]
    resumes: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    key = folder / "key"
    key.write_text("a key that both orchestrators have")
    with fleet(build_toy_repository(folder / "models"), key) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(running: Fleet) -> list[Seen]:
    return stream_all(running, lambda: None)


def video(number: int, stage: Stage) -> Iterator[Pixels]:
    """Yields the frames of a stream; from frame WAITS on slowly, until the disturbance is over."""
    for t in range(FRAMES):
        if t >= WAITS:
            stage.over.wait(2)  # a client that is silent for ten seconds is sent away
        yield image_with_points(((number + t * t) % 16, t % 16), ((3 * t) % 16, number % 16))


def stream(targets: list[str], number: int, stage: Stage) -> Seen:
    # Half of them send every frame, half forecast some.
    predicted = 2 * (number % 2)
    frames = []
    # A hung server is left because it answers no PING; its silence alone would be borne.
    with connect_sync(targets, resume_seconds=60, stall_seconds=300) as service:
        streaming = service.stream(
            video(number, stage), observed=2, predicted=predicted, seed=number, timeout=300
        )
        for frame in streaming:
            frames.append(told(frame))
            if frame.index == MEANWHILE:
                stage.came.release()
        resumes = streaming.resumes
        assert streaming.report.observed_frames + streaming.report.predicted_frames == FRAMES
    return Seen(frames, resumes)


def told(frame: Frame) -> tuple[int, str, bytes, bytes]:
    return frame.index, frame.origin.name, frame.keypoints.tobytes(), frame.image.tobytes()


def stream_all(running: Fleet, disturb: Callable[[], None]) -> list[Seen]:
    """Runs all streams at once, half of them with the second orchestrator, and disturbs them."""
    stage = Stage(threading.Semaphore(0), threading.Event())
    targets = running.targets
    with ThreadPoolExecutor(STREAMS) as threads:
        streams = [
            threads.submit(stream, targets[:: 1 if number % 4 < 2 else -1], number, stage)
            for number in range(STREAMS)
        ]
        for one in streams:
            one.add_done_callback(
                lambda _: stage.came.release()
            )  # one that fails is not waited for
        try:
            for _ in range(STREAMS):
                assert stage.came.acquire(timeout=120)
            disturb()
        finally:
            stage.over.set()
        return [one.result(300) for one in streams]


def same(got: list[Seen], undisturbed: list[Seen]) -> None:
    for one, expected in zip(got, undisturbed, strict=True):
        assert [frame[0] for frame in one.frames] == list(range(FRAMES))
        assert one.frames == expected.frames


@pytest.mark.parametrize("name", ["orchestrator-0", "keypoint-1", "predictor-0", "synthesis-1"])
def test_a_killed_process_is_not_missed(running: Fleet, undisturbed: list[Seen], name: str) -> None:
    seen = stream_all(running, lambda: running.end(name))
    same(seen, undisturbed)
    assert any(one.resumes for one in seen) or name not in NEAREST
    running.start([name])


@pytest.mark.parametrize("name", ["orchestrator-1", "keypoint-0", "predictor-1", "synthesis-0"])
def test_a_process_that_hangs_is_left(running: Fleet, undisturbed: list[Seen], name: str) -> None:
    try:
        seen = stream_all(running, lambda: running.processes[name].send_signal(signal.SIGSTOP))
    finally:
        running.processes[name].send_signal(signal.SIGCONT)
    same(seen, undisturbed)
    assert any(one.resumes for one in seen) or name not in NEAREST


def test_processes_are_replaced_one_after_the_other(
    running: Fleet, undisturbed: list[Seen]
) -> None:
    def roll() -> None:
        for name in ("orchestrator-0", "synthesis-0", "orchestrator-1", "synthesis-1"):
            running.end(name, signal.SIGTERM)
            running.start([name])

    same(stream_all(running, roll), undisturbed)
