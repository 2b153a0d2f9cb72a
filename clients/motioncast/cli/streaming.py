"""From a video file to a folder of results: read, cast, render, report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from PIL import Image

from motioncast.cli.cast import Cast, CastOptions, Detector, cast
from motioncast.cli.failures import CommandError
from motioncast.cli.output import whole_folder, write_json
from motioncast.cli.progress import Stages
from motioncast.cli.render import Rendering, render
from motioncast.cli.report import (
    SCHEMA_VERSION,
    Configuration,
    FrameCounts,
    QualityReport,
    Report,
    Savings,
    Versions,
    latency_of,
)
from motioncast.cli.report_page import render_page
from motioncast.cli.spool import Spool
from motioncast.cli.stoppable import run_stoppable
from motioncast.client import Model, Pixels, ServerInfo, Service, connect
from motioncast.client.video import read_image, read_video

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0  # for a question that costs the server nothing
IN_PROCESS: Final = "services in this process"


@dataclass(frozen=True, slots=True)
class StreamJob:
    """What to stream, where through and where to."""

    video: Path
    out: Path
    options: CastOptions
    source: Path | None = None  # another image to animate; None: the video's first frame
    send: Literal["frames", "keypoints"] = "frames"
    skip: int = 0  # frames of the video to leave out at its beginning
    limit: int | None = None  # frames of the video to take; None: all
    target: str | None = None  # the orchestrator's HOST:PORT; None: started in this process
    models: Path | None = None  # model repository of this process; None: the one installed


def stream_video(job: StreamJob, stages: Stages) -> Report:
    """Streams a video and writes comparison.mp4, comparison.png, result.mp4, report.json and .html.

    They appear in `job.out` together at the end, or not at all.

    Raises:
        CommandError, MotioncastError, DomainError, OSError: It did not work; the text says why.
    """
    with whole_folder(job.out) as folder, TemporaryDirectory(dir=folder) as spools:
        passed = run_stoppable(_through_services(job, Path(spools), stages))
        advance = stages("rendering", len(passed.cast.frames))
        rendering = render(folder, passed.originals, passed.results, passed.cast, advance)
        report = _report(job, passed, rendering)
        Image.fromarray(rendering.strip).save(folder / "comparison.png")
        write_json(folder / "report.json", report.as_json())
        page = render_page(report, rendering.strip, folder / "comparison.mp4")
        (folder / "report.html").write_text(page, encoding="utf-8")
    return report


@asynccontextmanager
async def open_service(
    target: str | None, models: Path | None, timeout: float | None = None
) -> AsyncIterator[Service]:
    """Connects to the orchestrator at `target`; None starts all services in this process.

    Connecting takes `timeout` seconds at most, and never more than CONNECT_SECONDS.
    """
    if target is not None:
        patience = CONNECT_SECONDS if timeout is None else min(timeout, CONNECT_SECONDS)
        async with connect(target, timeout=patience) as service:
            yield service
        return
    from motioncast.stack import Stack, StackSettings  # needs the [serve] extra

    async with Stack(StackSettings(repository=models)) as stack, connect(stack.target) as service:
        yield service


@dataclass(frozen=True, slots=True)
class _Passed:
    """A video that went through the services."""

    originals: Spool
    results: Spool
    cast: Cast
    server: str  # its version


async def _through_services(job: StreamJob, spools: Path, stages: Stages) -> _Passed:
    async with open_service(job.target, job.models, job.options.timeout) as service:
        info = await service.server_info(timeout=ANSWER_SECONDS)
        model = _model(info, job.options.model)
        source = None if job.source is None else read_image(job.source, model.height)
        detector = _detector(job.models, model) if job.send == "keypoints" else None
        originals = Spool(spools / "originals", model.height, model.width)
        results = Spool(spools / "results", model.height, model.width)
        frame_rate = await _read(job, model, originals, stages)
        advance = stages("through the services", len(originals))

        def keep(image: Pixels) -> None:
            results.append(image)
            advance()

        passed = await cast(
            service, originals, frame_rate, job.options, keep, source=source, detector=detector
        )
    return _Passed(originals, results, passed, info.version)


def _model(info: ServerInfo, name: str | None) -> Model:
    named = [model for model in info.models if name in (None, model.name)]
    if not named:
        served = ", ".join(model.name for model in info.models)
        raise CommandError(f"model: {name!r} is not served, but {served}")
    model = named[0]
    if model.width != model.height:
        size = f"{model.width} x {model.height}"
        raise CommandError(f"model: {model.name} takes {size} pixels, but videos are made square")
    return model


def _detector(models: Path | None, model: Model) -> Detector:
    from motioncast.client.device import KeypointDetector
    from motioncast.inference import default_repository
    from motioncast.inference.repository import find_models

    repository = models or default_repository()
    file = find_models(repository).get(f"{model.name}_keypoint")
    if file is None:
        raise CommandError(f"{repository} has no {model.name}_keypoint to detect keypoints with")
    return KeypointDetector(file)


async def _read(job: StreamJob, model: Model, originals: Spool, stages: Stages) -> float:
    """Reads the video into a spool and returns its frames per second."""
    end = None if job.limit is None else job.skip + job.limit
    with read_video(job.video, model.height, limit=end) as video:
        advance = stages("reading", end)
        frames = 0
        for image in video.frames:
            if frames >= job.skip:
                originals.append(image)
            frames += 1
            advance()
            await asyncio.sleep(0)  # lets Ctrl-C and SIGTERM through
        if frames <= job.skip:
            raise CommandError(
                f"skip: {job.video.name} has {frames} frames, none is left after {job.skip}"
            )
        return video.frame_rate


def _report(job: StreamJob, passed: _Passed, rendering: Rendering) -> Report:
    config, server, frames = passed.cast.config, passed.cast.report, passed.cast.frames
    end_to_end = latency_of("end_to_end", [frame.end_to_end_ms for frame in frames])
    return Report(
        schema_version=SCHEMA_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        configuration=Configuration(
            video=job.video.name,
            source="first frame" if job.source is None else job.source.name,
            model=config.model,
            mode=config.mode,
            relative_motion=config.relative_motion,
            observed=config.observed,
            predicted=config.predicted,
            sent_as=job.send,
            pace="real time" if job.options.real_time else "as fast as possible",
            frame_rate=config.frame_rate,
            width=config.width,
            height=config.height,
            keypoints=config.keypoints,
            seed=config.seed,
            target=job.target or IN_PROCESS,
        ),
        versions=Versions.here(passed.server),
        frames=FrameCounts(
            len(frames), server.observed_frames, server.predicted_frames, server.concealed_frames
        ),
        bytes=server.bytes,
        raw_frame_bytes=len(frames) * config.height * config.width * 3,
        bits_per_sent_frame=server.bits_per_sent_frame,
        bits_per_second=server.bits_per_second,
        saved=Savings(server.saved_against_all_keypoints, server.saved_against_raw_frames),
        forecast_error=server.forecast_error,
        wall_seconds=passed.cast.wall_seconds,
        frames_per_second=len(frames) / passed.cast.wall_seconds,
        latency=(*server.latency, end_to_end),
        quality=QualityReport.of(rendering.frames),
        timeline=rendering.frames,
    )
