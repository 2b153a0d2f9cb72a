"""A video through the service, frame by frame, with what the client can see of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from motioncast.client import (
    EffectiveConfig,
    Mode,
    Origin,
    Report,
    Service,
    Stream,
    StreamOptions,
    is_observed,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CastOptions:
    """How a video goes through the service."""

    observed: int = 1  # M
    predicted: int = 1  # N
    model: str | None = None  # None: the server's default
    relative_motion: bool = False
    seed: int | None = None  # None: the mean path
    timeout: float | None = None  # seconds for the whole video
    real_time: bool = False  # frames are sent when a camera would have them, else at once


@dataclass(frozen=True, slots=True)
class CastFrame:
    """What is kept of a frame besides its image."""

    index: int
    origin: Origin
    keypoints: NDArray[np.float32]  # (K, 3)
    group_frames: int
    group_ms: float  # as the server saw it
    end_to_end_ms: float  # as the client saw it


@dataclass(frozen=True, slots=True)
class Cast:
    """A video that went through."""

    config: EffectiveConfig
    report: Report
    frames: tuple[CastFrame, ...]
    wall_seconds: float  # from handing over the first frame to holding the last


class Images(Protocol):
    """A sequence of images (H, W, 3)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> NDArray[np.uint8]: ...


class Detector(Protocol):
    """What finds keypoints on this side."""

    def detect(self, images: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Returns the keypoints (B, K, 3) of images (B, H, W, 3)."""


async def cast(
    service: Service,
    video: Images,
    frame_rate: float,
    options: CastOptions,
    keep: Callable[[NDArray[np.uint8]], None],
    *,
    source: NDArray[np.uint8] | None = None,
    detector: Detector | None = None,
) -> Cast:
    """Sends a video and keeps what comes back.

    Args:
        service: Where it goes.
        video: Its frames, (H, W, 3) of the model's size; at least one.
        frame_rate: Frames per second of the video.
        options: How it goes.
        keep: Takes the image of every frame, in order.
        source: Another image to animate (transfer); None takes the first frame (reconstruction).
        detector: Finds the keypoints to send; None sends the frames themselves.

    Raises:
        MotioncastError: The service refused, failed, or does not answer.
    """
    started = time.perf_counter()
    stream, taken = _open(service, video, frame_rate, options, source, detector)
    frames = []
    async for frame in stream:
        arrived = time.perf_counter()
        keep(frame.image)
        latest = latest_sent(frame.index, options.observed, options.predicted)
        frames.append(
            CastFrame(
                frame.index,
                frame.origin,
                frame.keypoints,
                frame.group_frames,
                frame.timings.total_ms,
                (arrived - taken[latest]) * 1000,
            )
        )
    wall_seconds = time.perf_counter() - started
    return Cast(stream.config, stream.report, tuple(frames), wall_seconds)


def latest_sent(index: int, observed: int, predicted: int) -> int:
    """Returns the latest frame at or before `index` that the pattern sends."""
    into_group = index % (observed + predicted)
    return index - max(0, into_group - (observed - 1))


def _open(
    service: Service,
    video: Images,
    frame_rate: float,
    options: CastOptions,
    source: NDArray[np.uint8] | None,
    detector: Detector | None,
) -> tuple[Stream, list[float]]:
    """Returns the stream and the list that the times of taking frames are written to."""
    config = StreamOptions(
        observed=options.observed,
        predicted=options.predicted,
        model=options.model,
        relative_motion=options.relative_motion,
        seed=options.seed,
        frame_rate=frame_rate,
    )
    interval = 1 / frame_rate if options.real_time else 0.0
    if detector is None:
        frames = _Feed(len(video), video.__getitem__, interval)
        stream = service.stream(frames, source=source, timeout=options.timeout, **config)
        return stream, frames.taken

    def detect(index: int) -> NDArray[np.float32] | None:
        if not is_observed(index, options.observed, options.predicted):
            return None
        keypoints: NDArray[np.float32] = detector.detect(video[index][None])[0]
        return keypoints

    keypoints = _Feed(len(video), detect, interval)
    image = video[0] if source is None else source
    stream = service.stream_keypoints(
        keypoints,
        source=image,
        source_keypoints=detector.detect(image[None])[0],
        mode=Mode.RECONSTRUCTION if source is None else Mode.TRANSFER,
        timeout=options.timeout,
        **config,
    )
    return stream, keypoints.taken


class _Feed(Generic[T]):
    """The elements of a video, none before its time, noting when each is taken.

    Args:
        length: How many there are.
        element: Gives the one of an index.
        interval: Seconds between them; 0 gives them as fast as they are asked for.
    """

    def __init__(self, length: int, element: Callable[[int], T], interval: float) -> None:
        self._length = length
        self._element = element
        self._interval = interval
        self.taken: list[float] = []  # seconds of time.perf_counter

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        started = time.perf_counter()
        for index in range(self._length):
            early = started + index * self._interval - time.perf_counter()
            if early > 0:
                time.sleep(early)  # in the thread that the client reads videos in
            self.taken.append(time.perf_counter())
            yield self._element(index)
