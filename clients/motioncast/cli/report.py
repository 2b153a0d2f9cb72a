"""Measurements of a stream: the schema of report.json (docs/report.md explains every field)."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from motioncast.cli.motion import Motion
from motioncast.cli.rivals import Rival
from motioncast.client import ByteCounts, Crop, LatencySummary, Origin
from motioncast.quality.pixels import Quality

SCHEMA_VERSION: Final = "1.6"  # major: a field was changed or removed; minor: one was added


@dataclass(frozen=True, slots=True)
class Configuration:
    """The requested settings, with effective values."""

    video: str
    source: str  # "first frame", or the source images
    model: str
    mode: str  # "reconstruction" or "transfer"
    relative_motion: bool
    observed: int  # M
    predicted: int  # N
    sent_as: str  # "frames" or "keypoints"
    image_encoding: str  # of images that were sent: "rgb8", "jpeg", "png", "webp" or "avif"
    keypoint_encoding: str | None  # "coded" or "floats"; None if frames were sent
    pace: str  # "as fast as possible" or "real time"
    frame_rate: float  # frames per second
    width: int
    height: int
    keypoints: int  # K
    seed: int | None  # None: the mean path
    frame: str  # "auto", "fixed" or "off"
    picture_width: int  # of the pictures that were framed, otherwise the same as width
    picture_height: int
    target: str  # address of the orchestrator, or "in process"
    delay_frames: int = 0  # how many frames the server waited, to interpolate
    returned_as: str = "rgb8"  # encoding of result frames: "rgb8", "jpeg", "png" or "h264"


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that produced the report."""

    motioncast: str
    server: str
    python: str

    @classmethod
    def here(cls, server: str) -> Versions:
        """Returns this installation's versions together with the server's."""
        return cls(version("motioncast"), server, platform.python_version())


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """Frames of the timeline by origin."""

    total: int
    observed: int
    predicted: int
    concealed: int


@dataclass(frozen=True, slots=True)
class ClockCounts:
    """What was necessary to put the video's frames on a steady rate."""

    repeated: int  # frames inserted because the previous one was held
    dropped: int  # frames dropped because they came too close together

    @property
    def sentence(self) -> str:
        """The counts as a sentence; "" if the video had a steady rate."""
        if not self.repeated and not self.dropped:
            return ""
        return (
            "the video has a variable frame rate: to match its timestamps,"
            f" {self.repeated} frames were repeated and {self.dropped} dropped"
        )


@dataclass(frozen=True, slots=True)
class Savings:
    """Shares of bytes saved, 0 to 1."""

    against_all_keypoints: float
    against_raw_frames: float


@dataclass(frozen=True, slots=True)
class KeypointRates:
    """The size of keypoints, counted in three ways, in bits per second of video."""

    payload: float  # coded packets, or 12 bytes for each keypoint
    messages: float  # including the contract's headers
    wire: float  # also including those of gRPC, HTTP/2, TCP and IP: an estimate


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame of the timeline."""

    index: int
    origin: Origin
    group_frames: int
    group_ms: float  # server: from the group's last message to its frames being ready
    end_to_end_ms: float  # client: from handing over the latest sent frame to receiving this one
    result: Quality | None  # against the original; None in transfer mode
    copied_source: Quality | None  # the baseline: the source image instead of the frame
    crop: Crop | None = None  # the part of the full picture it shows; None if not framed
    faces: int = 0  # found by the server in its latest search
    source: int = 0  # index of the source that it was made from
    interpolated: bool = False  # between the frames sent around it, if the server waits


@dataclass(frozen=True, slots=True)
class MeanQuality:
    """Means over frames, of the result and of copying the source instead."""

    frames: int
    psnr_db: float
    ssim: float
    copied_source_psnr_db: float
    copied_source_ssim: float


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Quality by origin. Frame 0, the source itself, is excluded: copying it proves nothing."""

    reason: str | None  # why nothing was measured
    observed: MeanQuality | None
    predicted: MeanQuality | None
    concealed: MeanQuality | None
    all: MeanQuality | None

    @classmethod
    def of(cls, frames: Sequence[FrameRecord]) -> QualityReport:
        """Returns the means over measured frames."""
        measured = [frame for frame in frames if frame.result is not None and frame.index > 0]
        by_origin = {
            origin: _mean_quality(frame for frame in measured if frame.origin is origin)
            for origin in Origin
        }
        return cls(
            None if measured else _why_nothing_is_measured(frames),
            by_origin[Origin.OBSERVED],
            by_origin[Origin.PREDICTED],
            by_origin[Origin.CONCEALED],
            _mean_quality(measured),
        )


@dataclass(frozen=True, slots=True)
class DelayReport:
    """What waiting gained: interpolated frames, and the same frames forecast."""

    frames: int  # number of interpolated frames
    psnr_db: float
    ssim: float
    forecast_psnr_db: float  # of the same frames in a second session, which does not wait
    forecast_ssim: float

    @property
    def sentence(self) -> str:
        """The gain as a sentence."""
        return (
            f"{self.frames} frames were interpolated, at {self.psnr_db:.2f} dB"
            f" (SSIM {self.ssim:.4f}); forecast instead, they reach {self.forecast_psnr_db:.2f} dB"
            f" (SSIM {self.forecast_ssim:.4f})"
        )


@dataclass(frozen=True, slots=True)
class Report:
    """One stream from end to end."""

    schema_version: str
    created: str  # ISO 8601, UTC
    configuration: Configuration
    versions: Versions
    frames: FrameCounts
    clock: ClockCounts
    sound: str  # "kept", or why not
    source_frames: tuple[int, ...]  # number of frames made from each source
    bytes: ByteCounts
    raw_frame_bytes: int  # size of every frame of the timeline as raw RGB
    bits_per_sent_frame: float
    bits_per_second: float
    keypoint_rates: KeypointRates | None  # None if frames were sent
    saved: Savings
    forecast_error: float  # mean distance of one-step forecasts, in keypoint units
    wall_seconds: float  # from the first message to the last
    frames_per_second: float
    latency: tuple[LatencySummary, ...]  # stages per group, and end_to_end per frame
    quality: QualityReport
    motion: Motion
    advice: tuple[str, ...]  # what helps, if the result is hardly better than copying the source
    rivals: tuple[Rival, ...]  # video codecs at the nearest quality, if they were measured
    timeline: tuple[FrameRecord, ...]
    delay: DelayReport | None = None  # None if nothing was interpolated, or measured

    def as_json(self) -> dict[str, Any]:
        """Returns the report as JSON types."""
        return dataclasses.asdict(self)


def latency_of(stage: str, milliseconds: Sequence[float]) -> LatencySummary:
    """Returns the percentiles (linear between ranks) and the mean of at least one latency."""
    p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99)).tolist()
    mean = float(np.mean(milliseconds))
    return LatencySummary(stage, len(milliseconds), p50, p95, p99, mean)


def _mean_quality(frames: Iterable[FrameRecord]) -> MeanQuality | None:
    pairs = [(frame.result, frame.copied_source) for frame in frames]
    values = [
        (result.psnr_db, result.ssim, copied.psnr_db, copied.ssim)
        for result, copied in pairs
        if result is not None and copied is not None
    ]
    if not values:
        return None
    return MeanQuality(len(values), *np.mean(values, axis=0).tolist())


def _why_nothing_is_measured(frames: Sequence[FrameRecord]) -> str:
    if any(frame.result is not None for frame in frames):
        return "the video has only one frame, which is the source"
    return "transfer mode has no original to compare the result with"
