"""From a video file to a folder of results: read, cast, render, report."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from PIL import Image

from motioncast.cli.advice import advice
from motioncast.cli.before import RESULTS, check_options, check_replaceable, check_sources
from motioncast.cli.cast import BrokenOffError, Cast, CastOptions, Detector, Framing, Images, cast
from motioncast.cli.failures import CommandError
from motioncast.cli.framed import cut_originals
from motioncast.cli.output import whole_folder, write_json
from motioncast.cli.partial import Ended, partial_report
from motioncast.cli.pictures import Pictures, most_pixels
from motioncast.cli.progress import Stages
from motioncast.cli.render import Rendering, render
from motioncast.cli.report import (
    SCHEMA_VERSION,
    ClockCounts,
    Configuration,
    FrameCounts,
    QualityReport,
    Report,
    Savings,
    Versions,
    latency_of,
)
from motioncast.cli.report_page import render_page
from motioncast.cli.rivals import measure_rivals
from motioncast.cli.soundtrack import Soundtrack
from motioncast.cli.spool import Spool
from motioncast.cli.stoppable import run_stoppable
from motioncast.cli.watching import Part, Watched, watch
from motioncast.cli.wishes import unframed_sentence
from motioncast.client import FramingMode, Model, Pixels, ServerInfo, Service, connect
from motioncast.client.video import read_image
from motioncast.framing import FINDER
from motioncast.media import existing, shown
from motioncast.sources import Gathering, GatherSettings

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0  # for a question that costs the server nothing
FULL_PICTURE: Final = "full_picture.mp4"
IN_PROCESS: Final = "services in this process"


@dataclass(frozen=True, slots=True)
class StreamJob:
    """What to stream, where through and where to."""

    video: Path
    out: Path
    options: CastOptions
    sources: Sequence[Path] = ()  # other images to animate; none: the video's first frame
    gather: int = 1  # frames of the video that become sources, at most
    send: Literal["frames", "keypoints"] = "frames"
    skip: int = 0  # frames of the video to leave out at its beginning
    limit: int | None = None  # frames of the video to take; None: all
    target: str | None = None  # the orchestrator's HOST:PORT; None: started in this process
    models: Path | None = None  # model repository of this process; None: the one installed
    frame: FramingMode | None = None  # how pictures are framed; None: as the model would have it
    full_picture: bool = False  # also write the results put back into the full pictures
    rivals: bool = False  # also measure what video codecs need for the same frames
    force: bool = False  # replace results that are there already

    @property
    def part(self) -> Part:
        """The frames that are taken."""
        return Part(self.video, self.skip, self.limit)


def stream_video(job: StreamJob, stages: Stages) -> Report:
    """Streams a video and writes comparison.mp4, comparison.png, result.mp4, report.json and .html.

    With `full_picture` full_picture.mp4 too, where the video was framed.

    They appear in `job.out` together at the end, or not at all. Of a session that breaks off the
    frames that had come are written all the same, where no earlier results are in their place.

    Raises:
        CommandError, MotioncastError, DomainError, OSError: It did not work; the text says why.
    """
    check_options(job.options, transfer=bool(job.sources), limit=job.limit)
    check_sources(len(job.sources), job.gather, job.send)
    existing(job.video)
    check_replaceable(job.out, force=job.force)
    with whole_folder(job.out) as folder, TemporaryDirectory(dir=folder) as spools:
        passed = run_stoppable(_through_services(job, Path(spools), stages))
        sound = Soundtrack(job.video, passed.watched.start)
        size = _cut(job, passed, folder, sound, stages)
        advance = stages("rendering", len(passed.cast.frames))
        rendering = render(folder, passed.originals, passed.results, passed.cast, sound, advance)
        Image.fromarray(rendering.strip).save(folder / "comparison.png")
        if passed.ended is not None:
            if any((job.out / name).exists() for name in RESULTS):
                raise CommandError(f"{passed.ended.sentence}; the results before are kept")
            _write_partial(job, passed, passed.ended, rendering, size, folder)
        else:
            report = _report(job, passed, rendering, size, sound)
            if job.rivals and report.quality.all is not None:
                advance = stages("x264 and AV1", None)
                measured = measure_rivals(
                    passed.originals,
                    report.configuration.frame_rate,
                    report.quality.all.psnr_db,
                    advance,
                )
                report = replace(report, rivals=measured)
            write_json(folder / "report.json", report.as_json())
            page = render_page(report, rendering.strip, folder / "comparison.mp4")
            (folder / "report.html").write_text(page, encoding="utf-8")
    if passed.ended is not None:
        raise CommandError(f"{passed.ended.sentence}, kept in {shown(job.out)}")
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
    from motioncast.local import LocalServices, LocalSettings  # needs the [serve] extra

    async with (
        LocalServices(LocalSettings(repository=models)) as local,
        connect(local.target) as service,
    ):
        yield service


@dataclass(frozen=True, slots=True)
class _Passed:
    """A video that went through the services."""

    originals: Spool
    results: Spool
    cast: Cast
    server: str  # its version
    framing: FramingMode
    watched: Watched
    pictures: Pictures | None  # in full, where they were framed; originals are then yet to be cut
    unframed: str | None  # a sentence where the model wanted frames that nothing here can make
    ended: Ended | None  # where the session broke off


async def _through_services(job: StreamJob, spools: Path, stages: Stages) -> _Passed:
    async with open_service(job.target, job.models, job.options.timeout) as service:
        info = await service.server_info(timeout=ANSWER_SECONDS)
        model = _model(info, job.options.model)
        mode = model.framing if job.frame is None else job.frame
        unframed = None
        if job.target is None and job.frame is None and mode is FramingMode.OFF:
            unframed = unframed_sentence(job.models, model.name)
        if unframed is not None:
            print(f"motioncast: {unframed}", file=sys.stderr)
        framed = mode is not FramingMode.OFF
        if job.full_picture and not framed:
            raise CommandError("full-picture: the pictures are not framed, so they are not full")
        max_pixels = most_pixels(info)
        _check_sources(job, info)
        size = None if framed else model.height
        device = _device(job, model, mode)
        source = [read_image(path, size, max_pixels=max_pixels) for path in job.sources]
        gathering = None
        if job.gather > 1:
            gathering = Gathering(model.source_weights, GatherSettings(job.gather))
        originals = Spool(spools / "originals", model.height, model.width)
        results = Spool(spools / "results", model.height, model.width)
        video: Images = originals
        pictures = None
        if framed:
            watched = await watch(job.part, None, stages, None)
            video = pictures = Pictures(job.video, job.skip, watched.frames, max_pixels)
        else:
            watched = await watch(job.part, model.height, stages, originals.append)
        advance = stages("through the services", len(video))

        def keep(image: Pixels) -> None:
            results.append(image)
            advance()

        ended = None
        with ExitStack() as stack:
            if pictures is not None:
                stack.enter_context(pictures)
            try:
                passed = await cast(
                    service,
                    video,
                    watched.frame_rate,
                    replace(job.options, frame=mode),
                    keep,
                    source=source or None,
                    detector=device.detector,
                    framing=device.framing(watched.frame_rate),
                    gathering=gathering,
                )
            except BrokenOffError as broken:
                passed = broken.cast
                ended = Ended(str(broken), len(passed.frames), len(video))
    return _Passed(
        originals, results, passed, info.version, mode, watched, pictures, unframed, ended
    )


@dataclass(frozen=True, slots=True)
class _Device:
    """What detects keypoints here, and what frames here at a frame rate."""

    detector: Detector | None
    framing: Callable[[float], Framing | None]


def _device(job: StreamJob, model: Model, mode: FramingMode) -> _Device:
    if job.send != "keypoints":
        return _Device(None, lambda frame_rate: None)
    from motioncast.client.device import KeypointDetector

    detector = KeypointDetector(_model_file(job.models, f"{model.name}_keypoint"))
    if mode is FramingMode.OFF:
        return _Device(detector, lambda frame_rate: None)
    from motioncast.client.framing import DeviceFraming, FaceFinder

    finder = FaceFinder(_model_file(job.models, FINDER))
    return _Device(
        detector, lambda rate: DeviceFraming(finder, mode, model.height, frame_rate=rate)
    )


def _check_sources(job: StreamJob, info: ServerInfo) -> None:
    for option, count in (("source", len(job.sources)), ("sources", job.gather)):
        if count > info.max_sources:
            raise CommandError(
                f"{option}: {count} of them, but a session has at most {info.max_sources}"
            )


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


def _model_file(models: Path | None, name: str) -> Path:
    from motioncast.inference import default_repository
    from motioncast.inference.repository import find_models

    repository = models or default_repository()
    file = find_models(repository).get(name)
    if file is None:
        raise CommandError(f"{repository} has no {name}, which is needed on this side")
    return file


def _cut(
    job: StreamJob, passed: _Passed, folder: Path, sound: Soundtrack, stages: Stages
) -> tuple[int, int]:
    """Cuts the originals out of what was framed; returns width and height of the pictures."""
    config = passed.cast.config
    if passed.pictures is None:
        return config.width, config.height
    full = folder / FULL_PICTURE if job.full_picture else None
    advance = stages("cutting", len(passed.pictures))
    with passed.pictures as pictures:
        cut_originals(pictures, passed.results, passed.cast, passed.originals, full, sound, advance)
        height, width, _ = pictures[0].shape
    return width, height


def _write_partial(
    job: StreamJob,
    passed: _Passed,
    ended: Ended,
    rendering: Rendering,
    picture_size: tuple[int, int],
    folder: Path,
) -> None:
    report = partial_report(
        _configuration(job, passed, picture_size),
        Versions.here(passed.server),
        passed.cast.frames,
        rendering.frames,
        passed.cast.wall_seconds,
        ended,
    )
    write_json(folder / "report.json", report)


def _configuration(job: StreamJob, passed: _Passed, picture_size: tuple[int, int]) -> Configuration:
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
    )


def _report(
    job: StreamJob,
    passed: _Passed,
    rendering: Rendering,
    picture_size: tuple[int, int],
    sound: Soundtrack,
) -> Report:
    server, frames = passed.cast.report, passed.cast.frames
    assert server is not None  # the session did not break off
    end_to_end = latency_of("end_to_end", [frame.end_to_end_ms for frame in frames])
    configuration = _configuration(job, passed, picture_size)
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
        saved=Savings(server.saved_against_all_keypoints, server.saved_against_raw_frames),
        forecast_error=server.forecast_error,
        wall_seconds=passed.cast.wall_seconds,
        frames_per_second=len(frames) / passed.cast.wall_seconds,
        latency=(*server.latency, end_to_end),
        quality=quality,
        advice=(
            *([] if passed.unframed is None else [passed.unframed]),
            *advice(configuration, quality, _faces_seen(job, passed)),
        ),
        rivals=(),
        timeline=rendering.frames,
    )


def _faces_seen(job: StreamJob, passed: _Passed) -> bool:
    # Who frames here and sends keypoints tells the server nothing of faces.
    return job.send == "keypoints" or any(frame.faces for frame in passed.cast.frames)
