"""A video through the services: opened, framed if necessary, sent; and the results."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from motioncast.cli.cast import BrokenOffError, Cast, Images, cast
from motioncast.cli.device import Device, device_of, watcher_of
from motioncast.cli.failures import CommandError
from motioncast.cli.gating import gate_for
from motioncast.cli.job import StreamJob
from motioncast.cli.motion import Watcher
from motioncast.cli.partial import Ended
from motioncast.cli.pictures import Pictures, most_pixels
from motioncast.cli.progress import Stages
from motioncast.cli.service import ANSWER_SECONDS, open_service, square_model
from motioncast.cli.spool import Spool
from motioncast.cli.watching import Watched, watch
from motioncast.cli.wishes import unframed_sentence
from motioncast.client import (
    FramingMode,
    KeypointEncoding,
    Model,
    Pixels,
    ServerInfo,
    Service,
)
from motioncast.client.video import read_image
from motioncast.framing import size_problem
from motioncast.media import shown
from motioncast.sources import Gathering, GatherSettings


@dataclass(frozen=True, slots=True)
class Passed:
    """A video that went through the services."""

    originals: Spool
    results: Spool
    cast: Cast
    server: str  # its version
    framing: FramingMode
    watched: Watched
    watcher: Watcher
    pictures: Pictures | None  # in full, if they were framed; originals are then yet to be cut
    unframed: str | None  # a sentence if the model needs framing that is not available here
    ended: Ended | None  # where the session broke off
    forecast: Spool | None = None  # the results of a session that does not wait, if this one did


async def pass_through(job: StreamJob, spools: Path, stages: Stages) -> Passed:
    """Sends a job's video through the services.

    Args:
        job: What to send, and how.
        spools: A folder for frames, to be removed by the caller.
        stages: Shows progress.

    Raises:
        CommandError, MotioncastError, DomainError, OSError: There is no result; the text says why.
    """
    async with open_service(
        job.target, job.models, job.options.timeout, datagrams=job.options.datagrams
    ) as service:
        info = await service.server_info(timeout=ANSWER_SECONDS)
        model = square_model(info, job.options.model)
        mode = model.framing if job.frame is None else job.frame
        unframed = _unframed(job, model, mode)
        if unframed is not None:
            print(f"motioncast: {unframed}", file=sys.stderr)
        framed = mode is not FramingMode.OFF
        if job.full_picture and not framed:
            raise CommandError("full-picture: requires framing (--frame auto or fixed)")
        _check_sources(job, info)
        device, max_pixels = device_of(job, model, mode), most_pixels(info)
        size = None if framed else model.height
        source = [read_image(path, size, max_pixels=max_pixels) for path in job.sources]
        if framed:
            for path, picture in zip(job.sources, source, strict=True):
                _check_size(path, picture)
        originals = Spool(spools / "originals", model.height, model.width)
        results = Spool(spools / "results", model.height, model.width)
        pictures = None
        if framed:
            watched = await watch(job.part, None, stages, None)
            pictures = Pictures(job.video, job.skip, watched.frames, max_pixels)
        else:
            watched = await watch(job.part, model.height, stages, originals.append)
        given = _Given(job, source, model, mode, device, watched.frame_rate)
        video: Images = originals if pictures is None else pictures
        with ExitStack() as stack:
            if pictures is not None:
                stack.enter_context(pictures)
                _check_size(job.video, pictures[0])
            passed, ended = await _cast(service, video, given, results, stages)
            forecast = None
            if ended is None and not source and any(one.interpolated for one in passed.frames):
                forecast = Spool(spools / "forecast", model.height, model.width)
                options = replace(job.options, delay_frames=0)
                at_once = replace(given, job=replace(job, options=options))
                _, broken = await _cast(service, video, at_once, forecast, stages)
                forecast = None if broken else forecast
        watcher = watcher_of(job, model, device)
    return Passed(
        originals,
        results,
        passed,
        info.version,
        mode,
        watched,
        watcher,
        pictures,
        unframed,
        ended,
        forecast,
    )


def _check_size(path: Path, picture: Pixels) -> None:
    """Raises CommandError for a picture that is too small or too large to be framed."""
    problem = size_problem(picture.shape[1], picture.shape[0])
    if problem is not None:
        raise CommandError(f"{shown(path.name)}: {problem}")


@dataclass(frozen=True, slots=True)
class _Given:
    """What a session takes besides the video."""

    job: StreamJob
    source: list[Pixels]  # images to animate; none: the video's first frame
    model: Model
    mode: FramingMode
    device: Device
    frame_rate: float


async def _cast(
    service: Service, video: Images, given: _Given, results: Spool, stages: Stages
) -> tuple[Cast, Ended | None]:
    """Returns the results, and how the session broke off, if it did."""
    job, model = given.job, given.model
    gathering = None
    if job.gather > 1:
        gathering = Gathering(model.source_weights, GatherSettings(job.gather))
    pixels = job.options.gate_pixels
    gate = None if pixels is None else gate_for(job.models, model, pixels)
    advance = stages("streaming", len(video))

    def keep(image: Pixels) -> None:
        results.append(image)
        advance()

    try:
        whole = await cast(
            service,
            video,
            given.frame_rate,
            replace(job.options, frame=given.mode, keypoints=_keypoint_encoding(job, model)),
            keep,
            source=given.source or None,
            detector=given.device.detector,
            framing=given.device.framing(given.frame_rate),
            gathering=gathering,
            gate=gate,
        )
    except BrokenOffError as broken:
        return broken.cast, Ended(str(broken), len(broken.cast.frames), len(video))
    return whole, None


def _keypoint_encoding(job: StreamJob, model: Model) -> KeypointEncoding:
    encoding = job.options.keypoints or ("coded" if model.codec_tables else "floats")
    if job.options.datagrams and encoding != "coded":
        raise CommandError(f"datagrams: {model.name} has no codec tables, which they require")
    return encoding


def _unframed(job: StreamJob, model: Model, mode: FramingMode) -> str | None:
    if job.target is None and job.frame is None and mode is FramingMode.OFF:
        return unframed_sentence(job.models, model.name)
    return None


def _check_sources(job: StreamJob, info: ServerInfo) -> None:
    for option, count in (("source", len(job.sources)), ("sources", job.gather)):
        if count > info.max_sources:
            raise CommandError(
                f"{option}: {count} given, but the server accepts at most {info.max_sources}"
            )
