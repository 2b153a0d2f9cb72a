"""Per-session accounting: frames by origin, bytes by kind, latency by stage, forecast error."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.sources import MAX_SOURCES
from motioncast.timeline.origin import Origin
from motioncast.v1.motion_transfer_pb2 import (
    ByteCounts,
    LatencySummary,
    StageTimings,
    StreamReport,
)
from motioncast.v1.resume_pb2 import SessionCounts

Kind = Literal["config", "source", "frames", "keypoints"]  # of received messages

STAGES: Final = ("keypoint", "predictor", "synthesis", "ensemble", "total")
FRAMING: Final = "framing"  # recorded per picture, not per group
PERCENTILE_WINDOW: Final = 4096  # bounds memory in sessions that last for days


@dataclass(frozen=True, slots=True)
class Received:
    """A received message.

    Attributes:
        kind: The kind its bytes are counted under.
        size: Size of the message in bytes.
        frames: Number of frames whose keypoints it carries.
        payload: Bytes taken by the keypoints themselves.
    """

    kind: Kind
    size: int
    frames: int = 0
    payload: int = 0


class Latency:
    """Percentiles of the last PERCENTILE_WINDOW values, count and mean of all; in milliseconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=PERCENTILE_WINDOW)
        self._count = 0
        self._sum = 0.0

    def add(self, milliseconds: float) -> None:
        self._recent.append(milliseconds)
        self._count += 1
        self._sum += milliseconds

    def summary(self, stage: str) -> LatencySummary:
        """Returns the summary; all zeros when no value was added."""
        if not self._count:
            return LatencySummary(stage=stage)
        p50, p95, p99 = np.percentile(self._recent, [50, 95, 99])
        return LatencySummary(
            stage=stage,
            count=self._count,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            mean_ms=self._sum / self._count,
        )


@dataclass(frozen=True, slots=True)
class VideoSize:
    """The uncompressed video that a session's savings are measured against."""

    raw_frame_bytes: int  # height * width * 3
    frame_rate: float  # frames per second


class Accounting:
    """The counts of one session, also added to the orchestrator's metrics as they arrive."""

    def __init__(self, video: VideoSize, metrics: OrchestratorMetrics) -> None:
        self._video = video
        self._metrics = metrics
        self._frames: Counter[Origin] = Counter()
        self._sources: Counter[int] = Counter()
        self._bytes: Counter[str] = Counter()
        self._keypoint_frames = 0
        self._latency = {stage: Latency() for stage in (*STAGES, FRAMING)}
        self._arrived: dict[int, float] = {}  # arrival of frames whose results are outstanding
        self._interpolated = 0
        self._left_out = 0
        self._errors = 0
        self._error_sum = 0.0

    def frames_are(self, raw_frame_bytes: int) -> None:
        """Sets the size of a raw frame at the sender, where it differs from the model's size."""
        self._video = replace(self._video, raw_frame_bytes=raw_frame_bytes)

    def count_arrival(self, index: int) -> None:
        """Records that the sender's input for a frame arrived just now."""
        self._arrived[index] = time.perf_counter()

    def count_departure(self, index: int) -> None:
        """Observes how long a frame's result took, if its arrival is known, and forgets it."""
        arrived = self._arrived.pop(index, None)
        if arrived is not None:
            self._metrics.result_seconds.observe(time.perf_counter() - arrived)

    def count_received(self, received: Received) -> None:
        """Counts a received message."""
        self._bytes[received.kind] += received.size
        if received.kind == "keypoints":
            self._bytes["keypoint_payload"] += received.payload
            self._bytes["keypoint_messages"] += 1
            self._keypoint_frames += received.frames
            self._metrics.keypoint_payload_bytes.inc(received.payload)
        self._metrics.received_bytes.labels(received.kind).inc(received.size)

    def count_results(self, origins: Sequence[Origin], size: int, sources: Sequence[int]) -> None:
        """Counts frames returned in messages that total `size` bytes.

        Args:
            origins: Where each frame's keypoints come from.
            size: Total size of the messages in bytes.
            sources: Index of each frame's source.
        """
        self._bytes["results"] += size
        self._frames.update(origins)
        self._sources.update(sources)
        for source in sources:
            self._metrics.source_frames.labels(str(source)).inc()
        metrics = self._metrics
        metrics.sent_bytes.labels("results").inc(size)
        for origin in origins:
            metrics.frames.labels(origin.name.lower()).inc()
        metrics.raw_frame_bytes.inc(len(origins) * self._video.raw_frame_bytes)
        if self._keypoint_frames:
            mean = self._bytes["keypoints"] / self._keypoint_frames
            metrics.all_keypoints_bytes.inc(len(origins) * mean)

    def count_token(self, size: int) -> None:
        """Counts bytes sent back in addition to the frames of `count_results`."""
        self._bytes["results"] += size
        self._metrics.sent_bytes.labels("results").inc(size)

    def counts(self) -> SessionCounts:
        """Returns the counts from which another server can build a resumed session's report."""
        return SessionCounts(
            frames=[self._frames[one] for one in Origin],
            sources=[self._sources[n] for n in range(max(self._sources, default=-1) + 1)],
            bytes=self._bytes,
            keypoint_frames=self._keypoint_frames,
            errors=self._errors,
            error_sum=self._error_sum,
        )

    def go_on(self, counts: SessionCounts) -> None:
        """Adds what another server counted; the metrics count only the work done here."""
        known = ByteCounts.DESCRIPTOR.fields_by_name
        self._frames.update(dict(zip(Origin, counts.frames, strict=False)))
        self._sources.update(dict(enumerate(counts.sources[:MAX_SOURCES])))
        self._bytes.update({name: size for name, size in counts.bytes.items() if name in known})
        self._keypoint_frames += counts.keypoint_frames
        self._errors += counts.errors
        self._error_sum += counts.error_sum

    def count_left_out(self, indices: Sequence[int]) -> None:
        """Counts frames that are skipped, and forgets when they arrived."""
        for index in indices:
            self._arrived.pop(index, None)
        self._left_out += len(indices)
        self._metrics.left_out_frames.inc(len(indices))

    def count_interpolated(self, frames: int) -> None:
        """Counts frames interpolated between observed ones; `count_results` counts them too."""
        self._interpolated += frames

    def count_timings(self, timings: StageTimings) -> None:
        """Counts the latency of each stage that ran for a group."""
        for stage in STAGES:
            if milliseconds := getattr(timings, f"{stage}_ms"):
                self._count_stage(stage, milliseconds)

    def count_framing(self, milliseconds: float) -> None:
        """Counts how long framing a picture took, including the run of the face finder."""
        self._count_stage(FRAMING, milliseconds)

    def count_forecast_errors(self, errors: Iterable[float]) -> None:
        """Counts one-step forecast errors of observed frames, in keypoint units."""
        for error in errors:
            self._errors += 1
            self._error_sum += error
            self._metrics.forecast_error.observe(error)

    def report(self) -> StreamReport:
        """Returns the report so far, as the fields of StreamReport define it."""
        observed = self._frames[Origin.OBSERVED]
        frames = self._frames.total()
        sent = self._bytes["frames"] + self._bytes["keypoints"]
        raw = frames * self._video.raw_frame_bytes
        return StreamReport(
            observed_frames=observed,
            predicted_frames=self._frames[Origin.PREDICTED],
            concealed_frames=self._frames[Origin.CONCEALED],
            bytes=ByteCounts(**self._bytes),
            latency=[latency.summary(stage) for stage, latency in self._latency.items()],
            bits_per_sent_frame=_ratio(8 * sent, observed),
            bits_per_second=_ratio(8 * sent * self._video.frame_rate, frames),
            # With one mean size the bytes cancel out: what remains is the share of frames not sent.
            saved_against_all_keypoints=_ratio(frames - observed, frames),
            saved_against_raw_frames=max(0.0, _ratio(raw - sent - self._bytes["source"], raw)),
            interpolated_frames=self._interpolated,
            left_out_frames=self._left_out,
            forecast_error=_ratio(self._error_sum, self._errors),
            source_frames=[self._sources[n] for n in range(max(self._sources, default=-1) + 1)],
        )

    def _count_stage(self, stage: str, milliseconds: float) -> None:
        self._latency[stage].add(milliseconds)
        self._metrics.stage_seconds.labels(stage).observe(milliseconds / 1000)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
