"""The clients of a benchmark: streams in one process that send as fast as the server allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice
from pathlib import Path

from motioncast.client import Frame, Origin, Pixels, Service, StageTimings, connect
from motioncast.client.video import read_video


@dataclass(frozen=True, slots=True)
class ClientJob:
    """The work of one run of the clients."""

    target: str
    video: Path
    size: int  # of the model's images, pixels
    streams: int  # at once, over one connection
    frames: int  # of each stream; a shorter video is repeated
    observed: int
    predicted: int


@dataclass(frozen=True, slots=True)
class GroupShape:
    """The services' work for one group."""

    frames: int
    observed: int


@dataclass(frozen=True, slots=True)
class ClientRun:
    """The measurements of the clients.

    Attributes:
        seconds: From the first message of the first stream to the last message of the last stream.
        cpu_seconds: CPU time of the client process in that interval.
        groups: One entry per group of each stream.
        timings: Timings of the same groups, as measured by the server.
        first_frame_seconds: For each stream, from its first message to its first frame.
    """

    seconds: float
    cpu_seconds: float
    groups: tuple[GroupShape, ...]
    timings: tuple[StageTimings, ...]
    first_frame_seconds: tuple[float, ...]

    @property
    def frames(self) -> int:
        return sum(group.frames for group in self.groups)


def run_clients(job: ClientJob) -> ClientRun:
    """Runs the streams and returns when all have received their last frame."""
    return asyncio.run(_run(job))


@lru_cache(maxsize=1)
def read_clip(video: Path, size: int) -> tuple[Pixels, ...]:
    """Returns the frames of a video, (size, size, 3) each."""
    with read_video(video, size) as opened:
        return tuple(opened.frames)


async def _run(job: ClientJob) -> ClientRun:
    clip = read_clip(job.video, job.size)
    async with connect(job.target) as service:
        started, cpu_started = time.perf_counter(), time.process_time()
        # Not a task group: if all streams fail in the same way, one error message is enough.
        results = await asyncio.gather(*(_stream(service, job, clip) for _ in range(job.streams)))
        seconds = time.perf_counter() - started
        cpu_seconds = time.process_time() - cpu_started
    groups = [group for result in results for group in _groups(result.frames)]
    return ClientRun(
        seconds,
        cpu_seconds,
        tuple(shape for shape, _ in groups),
        tuple(timings for _, timings in groups),
        tuple(result.first_frame_seconds for result in results),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """One frame, without its pixels."""

    origin: Origin
    timings: StageTimings
    group_frames: int


@dataclass(frozen=True, slots=True)
class _StreamResult:
    frames: list[_Seen]
    first_frame_seconds: float


async def _stream(service: Service, job: ClientJob, clip: tuple[Pixels, ...]) -> _StreamResult:
    video = islice(cycle(clip), job.frames)
    stream = service.stream(
        video, observed=job.observed, predicted=job.predicted, frame_count=job.frames
    )
    started, first, seen = time.perf_counter(), 0.0, []
    async for frame in stream:
        first = first or time.perf_counter() - started
        seen.append(_without_pixels(frame))
    return _StreamResult(seen, first)


def _without_pixels(frame: Frame) -> _Seen:
    return _Seen(frame.origin, frame.timings, frame.group_frames)


def _groups(frames: list[_Seen]) -> Iterator[tuple[GroupShape, StageTimings]]:
    """Yields the groups in which the frames of one stream were processed."""
    start = 0
    while start < len(frames):
        group = frames[start : start + frames[start].group_frames]
        observed = sum(frame.origin is Origin.OBSERVED for frame in group)
        yield GroupShape(len(group), observed), group[0].timings
        start += len(group)
