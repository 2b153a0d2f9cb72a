"""From a video file to a folder of results: read, cast, render, report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from motioncast.cli.before import (
    RESULTS,
    check_keypoint_options,
    check_options,
    check_replaceable,
    check_sources,
)
from motioncast.cli.delayed import measure_delay
from motioncast.cli.failures import CommandError
from motioncast.cli.framed import cut_originals
from motioncast.cli.job import FULL_PICTURE, StreamJob
from motioncast.cli.marking import mark
from motioncast.cli.motion import Motion, compared_frames, measure_motion
from motioncast.cli.output import whole_folder, write_json
from motioncast.cli.partial import Ended, partial_report
from motioncast.cli.partial_page import render_partial_page
from motioncast.cli.passing import Passed, pass_through
from motioncast.cli.progress import Stages
from motioncast.cli.render import Rendering, render
from motioncast.cli.report import Report, Versions
from motioncast.cli.report_page import render_page
from motioncast.cli.reporting import configuration_of, report_of
from motioncast.cli.rivals import measure_rivals
from motioncast.cli.soundtrack import Soundtrack
from motioncast.cli.stoppable import run_stoppable
from motioncast.client import Mode
from motioncast.media import existing, shown, write_png
from motioncast.provenance import SourceType


def stream_video(job: StreamJob, stages: Stages) -> Report:
    """Streams a video and writes comparison.mp4, comparison.png, result.mp4, report.json and .html.

    Also writes full_picture.mp4 with `full_picture`, if the video was framed.

    The files appear in `job.out` together at the end, or not at all. If a session breaks off, the
    frames received so far are still written, unless that would replace earlier results.

    Raises:
        CommandError, MotioncastError, DomainError, OSError: It failed; the text says why.
    """
    check_options(job.options, transfer=bool(job.sources), limit=job.limit)
    check_sources(len(job.sources), job.gather, job.send)
    check_keypoint_options(job.options, job.send)
    existing(job.video)
    check_replaceable(job.out, force=job.force)
    with whole_folder(job.out) as folder, TemporaryDirectory(dir=folder) as spools:
        passed = run_stoppable(pass_through(job, Path(spools), stages))
        sound = Soundtrack(job.video, passed.watched.start)
        size = _cut(job, passed, folder, sound, stages)
        advance = stages("rendering", len(passed.cast.frames))
        rendering = render(folder, passed.originals, passed.results, passed.cast, sound, advance)
        partly = mark(SourceType.COMPOSITE, passed.cast.config.model)
        write_png(folder / "comparison.png", rendering.strip, partly)
        motion = _motion(passed, stages)
        if passed.ended is not None:
            if any((job.out / name).exists() for name in RESULTS):
                raise CommandError(f"{passed.ended.sentence}; earlier results were kept")
            _write_partial(job, passed, passed.ended, rendering, motion, size, folder)
        else:
            delay = measure_delay(passed, rendering.frames)
            report = report_of(job, passed, rendering, motion, size, sound, delay)
            if job.rivals:
                report = _with_rivals(report, passed, stages)
            write_json(folder / "report.json", report.as_json())
            page = render_page(report, rendering.strip, folder / "comparison.mp4")
            (folder / "report.html").write_text(page, encoding="utf-8")
    if passed.ended is not None:
        raise CommandError(f"{passed.ended.sentence} and kept in {shown(job.out)}")
    return report


def _cut(
    job: StreamJob, passed: Passed, folder: Path, sound: Soundtrack, stages: Stages
) -> tuple[int, int]:
    """Cuts the originals of framed pictures; returns width and height of the pictures."""
    config = passed.cast.config
    if passed.pictures is None:
        return config.width, config.height
    full = folder / FULL_PICTURE if job.full_picture else None
    advance = stages("cropping", len(passed.pictures))
    with passed.pictures as pictures:
        cut_originals(pictures, passed.results, passed.cast, passed.originals, full, sound, advance)
        height, width, _ = pictures[0].shape
    return width, height


def _motion(passed: Passed, stages: Stages) -> Motion:
    compared = 2 * len(compared_frames(len(passed.results)))
    watched = passed.watcher.detector is not None
    return measure_motion(
        passed.results,
        passed.originals,
        passed.watcher,
        reconstruction=passed.cast.config.mode is Mode.RECONSTRUCTION,
        on_frame=stages("measuring motion", compared if watched else 0),
    )


def _with_rivals(report: Report, passed: Passed, stages: Stages) -> Report:
    """Measures what video codecs need for the same frames, if there is a quality to match."""
    if report.quality.all is None:
        return report
    rate, psnr_db = report.configuration.frame_rate, report.quality.all.psnr_db
    advance = stages("x264 and AV1", None)
    return replace(report, rivals=measure_rivals(passed.originals, rate, psnr_db, advance))


def _write_partial(
    job: StreamJob,
    passed: Passed,
    ended: Ended,
    rendering: Rendering,
    motion: Motion,
    picture_size: tuple[int, int],
    folder: Path,
) -> None:
    configuration = configuration_of(job, passed, picture_size)
    report = partial_report(
        configuration,
        Versions.here(passed.server),
        passed.cast.frames,
        rendering.frames,
        motion,
        passed.cast.wall_seconds,
        ended,
    )
    write_json(folder / "report.json", report)
    page = render_partial_page(
        configuration, ended, rendering.frames, rendering.strip, folder / "comparison.mp4"
    )
    (folder / "report.html").write_text(page, encoding="utf-8")
