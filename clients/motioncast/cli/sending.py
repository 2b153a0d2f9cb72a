"""`motioncast send`: sends a video to all watchers: framed, detected and coded here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from motioncast.cli.cast import Framing
from motioncast.cli.detecting import Detector, SessionDetector
from motioncast.cli.device import sending_device
from motioncast.cli.door import credentials
from motioncast.cli.failures import CommandError
from motioncast.cli.gating import gate_for, predictor_digest
from motioncast.cli.kernel_counts import WireBytes, WireCount
from motioncast.cli.local_model import LocalModel, local_model
from motioncast.cli.progress import Stages
from motioncast.cli.refreshing import Refresher
from motioncast.cli.service import CONNECT_SECONDS
from motioncast.client import (
    Crop,
    Encoding,
    FramingMode,
    Keypoints,
    Mode,
    Opening,
    Pixels,
    Publication,
    TwoEndsTraffic,
    connect,
)
from motioncast.client.video import Video, read_image, read_video
from motioncast.codec import DEFAULT_COARSENESS
from motioncast.framing import MAX_PIXELS
from motioncast.sending.refreshing import RefreshSettings
from motioncast.sources import MAX_SOURCES, Gathering, GatherSettings
from motioncast.timeline.pattern import Pattern

_LOOK_SECONDS: Final = 0.05  # between two checks for watchers


@dataclass(frozen=True, slots=True)
class SendJob:
    """What to send, and how."""

    video: Path
    target: str  # HOST:PORT of a relay
    model: str | None = None  # None: the services' default
    models: Path | None = None  # repository; None: the installed one
    pattern: Pattern = Pattern(1, 0)  # noqa: RUF009 # frozen
    sources: tuple[Path, ...] = ()  # other images to animate; none: the video's first frame
    gather: int = 1  # the most frames of the video that become sources
    relative_motion: bool = False
    frame: FramingMode | None = None  # how pictures are framed; None: as the model requires
    encoding: Encoding = "avif"  # how sources are encoded
    coarseness: int = DEFAULT_COARSENESS
    gate_pixels: float | None = None  # bound of a gate; None: all frames of the pattern are sent
    wait_frames: int = 0  # how many frames a frame may wait to share a packet
    skip: int = 0
    limit: int | None = None
    wait_for: int = 1  # number of watchers before the video begins
    refresh_db: float | None = None  # PSNR below which a frame becomes a source; None: never
    first_quality: int | None = None  # AVIF's, of a first picture that is refined; None: none


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent."""

    model: str
    frames: int  # of the video
    packets: int
    seconds: float  # of the video
    watchers: int  # at the end
    traffic: TwoEndsTraffic
    wire: WireBytes | None  # the connection's total; None if this system does not count it

    def as_json(self) -> dict[str, Any]:
        """Returns the values for --json."""
        return asdict(self)


async def send_video(job: SendJob, stages: Stages, announce: Callable[[str, str], None]) -> Sent:
    """Sends a video at its own pace, as a camera would.

    Args:
        job: What to send.
        stages: Shows progress.
        announce: Called with the room's name and token.

    Raises:
        CommandError, MotioncastError, DomainError, OSError: It cannot be sent; the text says why.
    """
    here = await asyncio.to_thread(local_model, job.models, job.model)
    mode = here.model.framing if job.frame is None else job.frame
    register = not job.relative_motion
    device = sending_device(here.repository, here.model, mode, register=register)
    assert device.detector is not None
    refresher = None
    if job.refresh_db is not None:
        settings = RefreshSettings(job.refresh_db, job.gather if job.gather > 1 else MAX_SOURCES)
        refresher = await asyncio.to_thread(Refresher, here, settings)
    gate, predictor = None, ""
    if job.gate_pixels is not None:
        gate = gate_for(here.repository, here.model, job.gate_pixels)
        predictor = predictor_digest(here.repository, here.model)
    size = here.model.height if mode is FramingMode.OFF else None
    end = None if job.limit is None else job.skip + job.limit
    counted = WireCount(job.target)
    with closing(read_video(job.video, size, limit=end, max_pixels=MAX_PIXELS)) as video:
        framing = device.framing(video.frame_rate)
        finding = _Finding(job, here, device.detector, framing)
        async with (
            connect(job.target, timeout=CONNECT_SECONDS, **credentials()) as service,
            service.publish(
                _opening(job, here, video, predictor),
                here.tables,
                policy=gate,
                wait_frames=job.wait_frames,
                coarseness=job.coarseness,
            ) as published,
        ):
            announce(published.room, published.token)
            await _watched(published, job.wait_for, stages)
            frames = await _send(video, finding, published, job, stages, refresher)
            watchers = published.feedback.watchers
            counted.look()  # the connection may end with its call
            await published.end(frames)
            counted.look()
    if frames == 0:
        raise CommandError(f"skip: no frame is left after skipping {job.skip}")
    traffic = published.traffic
    seconds = frames / video.frame_rate
    packets, wire = traffic.packets, counted.total
    return Sent(here.model.name, frames, packets, seconds, watchers, traffic, wire)


class _Finding:
    """Finds crops and keypoints in the pictures of one video."""

    def __init__(
        self, job: SendJob, here: LocalModel, detector: Detector, framing: Framing | None
    ) -> None:
        self._job = job
        self._size = here.model.height
        self._detector = SessionDetector(detector)
        self._framing = framing
        self._gathering = None
        if job.gather > 1 and job.refresh_db is None:
            settings = GatherSettings(job.gather)
            self._gathering = Gathering(here.model.source_weights, settings)

    def sources(self, first: Pixels) -> list[tuple[Pixels, Keypoints]]:
        """Returns the sources available before the first frame, each with its keypoints."""
        size = None if self._framing else self._size
        given = [read_image(path, size, max_pixels=MAX_PIXELS) for path in self._job.sources]
        images = given or [first]
        if self._framing is not None:
            frame = self._framing.portrait if given else self._framing.begin
            images = [frame(image).image for image in images]
        points = self._detector.sources(images)
        if self._gathering is not None:
            self._gathering.see(0, points[0])
        return list(zip(images, points, strict=True))

    def frame(self, index: int, picture: Pixels) -> tuple[Pixels, Keypoints, Crop | None]:
        """Returns the model's view of a picture, its keypoints, and which part it shows."""
        framed = None if self._framing is None else self._framing.frame(index, picture)
        image = picture if framed is None else framed.image
        return image, self._detector.frame(image), None if framed is None else framed.crop

    def becomes_source(self, index: int, keypoints: Keypoints) -> int | None:
        """Returns the index of the source that a frame becomes; None if it does not."""
        if self._gathering is None or self._job.sources:
            return None
        return self._gathering.see(index, keypoints)


def _opening(job: SendJob, here: LocalModel, video: Video, predictor: str) -> Opening:
    return Opening.of(
        here.model,
        frame_rate=video.frame_rate,
        pattern=job.pattern,
        mode=Mode.TRANSFER if job.sources else Mode.RECONSTRUCTION,
        relative_motion=job.relative_motion,
        predictor=predictor,
    )


async def _watched(published: Publication, count: int, stages: Stages) -> None:
    """Waits until this many clients watch."""
    stages("waiting for watchers", count)
    while published.feedback.watchers < count:
        await asyncio.sleep(_LOOK_SECONDS)


async def _send(
    video: Video,
    finding: _Finding,
    published: Publication,
    job: SendJob,
    stages: Stages,
    refresher: Refresher | None,
) -> int:
    """Sends the frames at the pace of a camera; returns how many there were."""
    advance = stages("sending", job.limit)
    started, index = time.perf_counter(), -1
    sources: list[tuple[Pixels, Keypoints]] = []
    refined_at = None if job.first_quality is None else round(video.frame_rate)
    for index, picture in enumerate(_after(video.frames, job.skip)):
        if index == 0:
            sources = await asyncio.to_thread(finding.sources, picture)
            for number, (image, keypoints) in enumerate(sources):
                await published.set_source(
                    number, image, keypoints, job.encoding, job.first_quality
                )
                if refresher is not None:
                    refresher.add_source(number, image, keypoints)
            started = time.perf_counter()
        if index == refined_at:
            for number, (image, keypoints) in enumerate(sources):
                await published.set_source(number, image, keypoints, job.encoding)
        early = started + index / video.frame_rate - time.perf_counter()
        await asyncio.sleep(max(0.0, early))
        if job.pattern.expects(index):
            image, keypoints, crop = await asyncio.to_thread(finding.frame, index, picture)
            becomes = finding.becomes_source(index, keypoints)
            if becomes is not None:
                await published.set_source(becomes, image, keypoints, job.encoding)
            fresh = None if refresher is None else refresher.take(index, image, keypoints)
            if fresh is not None and refresher is not None:
                size = await published.set_source(
                    fresh.index, fresh.image, fresh.keypoints, job.encoding
                )
                refresher.sent(size)
                refresher.add_source(fresh.index, fresh.image, fresh.keypoints)
            await published.push(index, keypoints, crop)
        advance()
    if refresher is not None:
        await refresher.aclose()
    return index + 1


def _after(frames: Iterator[Pixels], skip: int) -> Iterator[Pixels]:
    for number, frame in enumerate(frames):
        if number >= skip:
            yield frame
