"""Assembles `report.json` for a completed video."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from motioncast.cli.advice import advice
from motioncast.cli.job import StreamJob
from motioncast.cli.motion import Motion
from motioncast.cli.passing import Passed
from motioncast.cli.render import Rendering
from motioncast.cli.report import (
    SCHEMA_VERSION,
    ClockCounts,
    Configuration,
    DelayReport,
    FrameCounts,
    QualityReport,
    Report,
    Savings,
    Versions,
    latency_of,
)
from motioncast.cli.soundtrack import Soundtrack
from motioncast.cli.traffic import keypoint_rates
from motioncast.media import shown

IN_PROCESS: Final = "services in this process"


def configuration_of(
    job: StreamJob, passed: Passed, picture_size: tuple[int, int]
) -> Configuration:
    """Returns the requested settings, with effective values; the size is (width, height)."""
    config = passed.cast.config
    return Configuration(
        video=shown(job.video.name),
        source=", ".join(shown(path.name) for path in job.sources) or "first frame",
        model=config.model,
        mode=config.mode,
        relative_motion=config.relative_motion,
        observed=config.observed,
        predicted=config.predicted,
        sent_as=job.send,
        image_encoding=job.options.encoding,
        keypoint_encoding=config.keypoint_encoding if job.send == "keypoints" else None,
        pace="real time" if job.options.real_time else "as fast as possible",
        frame_rate=config.frame_rate,
        width=config.width,
        height=config.height,
        keypoints=config.keypoints,
        seed=config.seed,
        frame=passed.framing.value,
        picture_width=picture_size[0],
        picture_height=picture_size[1],
        target=job.target or IN_PROCESS,
        delay_frames=config.delay_frames,
        returned_as=config.output,
    )


def report_of(
    job: StreamJob,
    passed: Passed,
    rendering: Rendering,
    motion: Motion,
    picture_size: tuple[int, int],
    sound: Soundtrack,
    delay: DelayReport | None = None,
) -> Report:
    """Returns the report of a session that did not break off, without rivals.

    Args:
        job: The requested work.
        passed: The results.
        rendering: Their rendering and frame-by-frame measurements.
        motion: Measurements of their motion.
        picture_size: Width and height of the pictures.
        sound: Their soundtrack.
        delay: What waiting gained, if that was measured.
    """
    server, frames = passed.cast.report, passed.cast.frames
    assert server is not None  # the session did not break off
    end_to_end = latency_of("end_to_end", [frame.end_to_end_ms for frame in frames])
    configuration = configuration_of(job, passed, picture_size)
    quality = QualityReport.of(rendering.frames)
    return Report(
        schema_version=SCHEMA_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        configuration=configuration,
        versions=Versions.here(passed.server),
        frames=FrameCounts(
            len(frames), server.observed_frames, server.predicted_frames, server.concealed_frames
        ),
        clock=ClockCounts(passed.watched.repeated, passed.watched.dropped),
        sound=sound.outcome,
        source_frames=server.source_frames,
        bytes=server.bytes,
        raw_frame_bytes=len(frames) * picture_size[0] * picture_size[1] * 3,
        bits_per_sent_frame=server.bits_per_sent_frame,
        bits_per_second=server.bits_per_second,
        keypoint_rates=keypoint_rates(
            server.bytes, len(frames) / configuration.frame_rate, server.datagrams
        ),
        saved=Savings(server.saved_against_all_keypoints, server.saved_against_raw_frames),
        forecast_error=server.forecast_error,
        wall_seconds=passed.cast.wall_seconds,
        frames_per_second=len(frames) / passed.cast.wall_seconds,
        latency=(*server.latency, end_to_end),
        quality=quality,
        motion=motion,
        advice=(
            *([] if passed.unframed is None else [passed.unframed]),
            *advice(configuration, quality, _faces_seen(job, passed)),
        ),
        rivals=(),
        timeline=rendering.frames,
        delay=delay,
    )


def _faces_seen(job: StreamJob, passed: Passed) -> bool:
    # With framing here and keypoints sent, the server knows nothing about faces.
    return job.send == "keypoints" or any(frame.faces for frame in passed.cast.frames)
