"""Sends a video through the service, frame by frame, and records what the client can measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from motioncast.cli.detecting import Detector, SessionDetector
from motioncast.cli.failures import CommandError
from motioncast.cli.feed import Feed
from motioncast.client import (
    Crop,
    DeadlineExceededError,
    EffectiveConfig,
    Encoding,
    FramedKeypoints,
    FramingMode,
    KeypointEncoding,
    Mode,
    Origin,
    OutputEncoding,
    Report,
    ServerError,
    Service,
    Source,
    Stream,
    StreamOptions,
    UnavailableError,
)
from motioncast.framing import Framed
from motioncast.sending import Policy
from motioncast.sources import Gathering
from motioncast.timeline.pattern import DEFAULT_OBSERVED, DEFAULT_PREDICTED, Pattern


@dataclass(frozen=True, slots=True)
class CastOptions:
    """How a video goes through the service."""

    observed: int = DEFAULT_OBSERVED  # M
    predicted: int = DEFAULT_PREDICTED  # N
    model: str | None = None  # None: the server's default
    relative_motion: bool = False
    seed: int | None = None  # None: the mean path
    timeout: float | None = None  # seconds for the whole video
    real_time: bool = False  # send frames at a camera's pace, not as fast as possible
    frame: FramingMode = FramingMode.OFF  # how pictures are framed
    encoding: Encoding = "rgb8"  # how images are encoded
    quality: int | None = None  # for JPEG and AVIF, 1 to 100; None: the default
    keypoints: KeypointEncoding | None = None  # their encoding; None: coded if the model allows it
    packet_frames: int = 1  # frames in a packet of coded keypoints
    datagrams: bool = False  # send packets as QUIC datagrams if those get through
    gate_pixels: float | None = None  # bound of a gate on keypoints; None: all are sent
    delay_frames: int = 0  # how many frames the server waits, to interpolate
    returned: OutputEncoding = "rgb8"  # encoding of result frames
    crf: int | None = None  # constant rate factor of H.264; None: the server's default

    @property
    def pattern(self) -> Pattern:
        """M:N."""
        return Pattern(self.observed, self.predicted)

    @property
    def asked(self) -> StreamOptions:
        """The options of a session that sends pictures."""
        asked = StreamOptions(
            observed=self.observed,
            predicted=self.predicted,
            model=self.model,
            relative_motion=self.relative_motion,
            seed=self.seed,
            frame=self.frame.value,
            output=self.returned,
            delay_frames=self.delay_frames,
        )
        if self.crf is not None:
            asked["output_crf"] = self.crf
        if self.quality is not None:
            asked["quality"] = self.quality
        return asked


@dataclass(frozen=True, slots=True)
class CastFrame:
    """What is kept of a frame besides its image."""

    index: int
    origin: Origin
    keypoints: NDArray[np.float32]  # (K, 3)
    group_frames: int
    group_ms: float  # as measured by the server
    end_to_end_ms: float  # as measured by the client
    crop: Crop | None = None  # of the full picture
    faces: int = 0  # found by the server in its latest search
    source: int = 0  # index of the source that it was made from
    interpolated: bool = False  # between the frames sent around it, if the server waits


@dataclass(frozen=True, slots=True)
class Cast:
    """The results of a video."""

    config: EffectiveConfig
    report: Report | None  # None if the session broke off
    frames: tuple[CastFrame, ...]
    wall_seconds: float  # from sending the first frame to receiving the last


class BrokenOffError(CommandError):
    """The session ended before the video did; the text says why.

    Attributes:
        cast: The results received by then, at least one frame.
    """

    def __init__(self, reason: str, cast: Cast) -> None:
        super().__init__(reason)
        self.cast = cast


class Images(Protocol):
    """A sequence of images (H, W, 3)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> NDArray[np.uint8]: ...


class Framing(Protocol):
    """Frames pictures on this side."""

    def begin(self, picture: NDArray[np.uint8], /) -> Framed:
        """Returns the first picture as the source."""

    def portrait(self, picture: NDArray[np.uint8], /) -> Framed:
        """Returns a further source."""

    def frame(self, index: int, picture: NDArray[np.uint8], /) -> Framed:
        """Returns a frame of the timeline."""


async def cast(
    service: Service,
    video: Images,
    frame_rate: float,
    options: CastOptions,
    keep: Callable[[NDArray[np.uint8]], None],
    *,
    source: Sequence[NDArray[np.uint8]] | None = None,
    detector: Detector | None = None,
    framing: Framing | None = None,
    gathering: Gathering | None = None,
    gate: Policy | None = None,
) -> Cast:
    """Sends a video and records the results.

    Args:
        service: The service to use.
        video: Its frames, (H, W, 3) of the model's size, or full pictures if they are framed; at
            least one.
        frame_rate: Frames per second of the video.
        options: How the video is sent.
        keep: Called with the image of every frame, in order.
        source: Other images to animate (transfer); None takes the first frame (reconstruction).
        detector: Detects the keypoints to send, and registers them with the first source if it
            can; None sends the frames themselves.
        framing: Only with a detector: frames the pictures first.
        gathering: Only with a detector and no other images: selects frames as further sources.
        gate: Only with a detector: selects which of the pattern's frames are sent.

    Raises:
        BrokenOffError: The session failed, or the service stopped responding, after some frames.
        MotioncastError: The service refused, failed, or does not respond.
    """
    started = time.perf_counter()
    given = _Given(source, detector, framing, gathering, gate)
    stream, taken = _open(service, video, frame_rate, options, given)
    frames: list[CastFrame] = []

    def done(report: Report | None) -> Cast:
        return Cast(stream.config, report, tuple(frames), time.perf_counter() - started)

    try:
        async for frame in stream:
            arrived = time.perf_counter()
            keep(frame.image)
            latest = options.pattern.latest_expected(frame.index)
            frames.append(
                CastFrame(
                    frame.index,
                    frame.origin,
                    frame.keypoints,
                    frame.group_frames,
                    frame.timings.total_ms,
                    (arrived - taken[latest]) * 1000,
                    frame.crop,
                    frame.faces,
                    frame.source_index,
                    frame.interpolated,
                )
            )
    except (DeadlineExceededError, ServerError, UnavailableError) as error:
        if not frames:
            raise
        raise BrokenOffError(str(error), done(None)) from error
    return done(stream.report)


@dataclass(frozen=True, slots=True)
class _Given:
    """What `cast` takes besides the video."""

    source: Sequence[NDArray[np.uint8]] | None
    detector: Detector | None
    framing: Framing | None
    gathering: Gathering | None
    gate: Policy | None


def _open(
    service: Service,
    video: Images,
    frame_rate: float,
    options: CastOptions,
    given: _Given,
) -> tuple[Stream, list[float]]:
    """Returns the stream, and the list that records when each frame is taken."""
    source, detector, framing = given.source, given.detector, given.framing
    config = options.asked
    config["frame_rate"] = frame_rate
    if detector is not None:
        config["frame"] = "off"  # what is sent has been framed here
        config["keypoint_encoding"] = options.keypoints or "floats"
        config["gate"] = given.gate
        if options.keypoints == "coded":
            config["packet_frames"] = options.packet_frames
            config["datagrams"] = options.datagrams
    interval = 1 / frame_rate if options.real_time else 0.0
    if detector is None:
        frames = Feed(len(video), lambda index: [video[index]], interval)
        stream = service.stream(
            frames, source=source, encoding=options.encoding, timeout=options.timeout, **config
        )
        return stream, frames.taken

    session = SessionDetector(detector)

    def detect(index: int) -> list[NDArray[np.float32] | FramedKeypoints | Source | None]:
        if not options.pattern.expects(index):
            return [None]
        framed = None if framing is None else framing.frame(index, video[index])
        image = video[index] if framed is None else framed.image
        found = session.frame(image)
        element = found if framed is None else FramedKeypoints(found, framed.crop)
        number = None if given.gathering is None else given.gathering.see(index, found)
        return [element] if number is None else [Source(image, number, found), element]

    keypoints = Feed(len(video), detect, interval)
    images = list(source or [video[0]])
    if framing is not None:
        frame = framing.begin if source is None else framing.portrait
        images = [frame(image).image for image in images]
    points = session.sources(images)
    if given.gathering is not None:
        given.gathering.see(0, points[0])
    stream = service.stream_keypoints(
        keypoints,
        source=images,
        source_keypoints=points,
        mode=Mode.RECONSTRUCTION if source is None else Mode.TRANSFER,
        encoding=options.encoding,
        timeout=options.timeout,
        **config,
    )
    return stream, keypoints.taken
