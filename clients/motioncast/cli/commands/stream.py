"""`motioncast stream`: sends a video through the service, and reports the result."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motioncast.cli.commands.options import (
    Frame,
    ImageEncoding,
    Observed,
    Relative,
    Skip,
    SourceImages,
    Video,
)
from motioncast.timeline.pattern import DEFAULT_OBSERVED, DEFAULT_PREDICTED

if TYPE_CHECKING:
    from motioncast.cli.job import StreamJob

FILES = {
    "comparison.mp4": "original | result | keypoints",
    "comparison.png": "several frames of it, as a picture",
    "result.mp4": "only the result",
    "report.html": "all measurements, as a web page",
    "report.json": "all measurements, as JSON",
}


class Send(StrEnum):
    """What goes over the network."""

    FRAMES = "frames"
    KEYPOINTS = "keypoints"


class Keypoints(StrEnum):
    """How keypoints are encoded."""

    CODED = "coded"
    FLOATS = "floats"


class Returned(StrEnum):
    """How result frames are encoded."""

    RGB8 = "rgb8"
    JPEG = "jpeg"
    PNG = "png"
    H264 = "h264"


def stream(
    video: Video,
    out: Annotated[Path, typer.Option(help="Folder to write the results to.")],
    source: SourceImages = None,
    sources: Annotated[
        int,
        typer.Option(
            min=1,
            help="Without --source: maximum number of source images to pick from the video "
            "while sending.",
        ),
    ] = 1,
    relative: Relative = False,
    observed: Observed = DEFAULT_OBSERVED,
    predicted: Annotated[
        int, typer.Option(help="Frames forecast per group; 0 sends every frame.")
    ] = DEFAULT_PREDICTED,
    send: Annotated[
        Send, typer.Option(help="Send frames, or keypoints detected on this machine.")
    ] = Send.FRAMES,
    keypoints: Annotated[
        Keypoints | None,
        typer.Option(
            help="With --send keypoints: how they are sent. Default: coded, if the model has "
            "codec tables."
        ),
    ] = None,
    packet_frames: Annotated[
        int,
        typer.Option(
            min=1, max=8, help="Coded frames per packet: more frames save headers but add delay."
        ),
    ] = 1,
    datagrams: Annotated[
        bool,
        typer.Option(
            "--datagrams",
            help="Send coded packets as QUIC datagrams if those get through, else over gRPC.",
        ),
    ] = False,
    gate: Annotated[
        float | None,
        typer.Option(
            metavar="PIXELS",
            help="With --send keypoints: do not send frames whose forecast error is smaller, in "
            "pixels of a 256-pixel picture. They are returned as predicted frames.",
        ),
    ] = None,
    delay: Annotated[
        int,
        typer.Option(
            metavar="FRAMES",
            min=0,
            max=16,
            help="Frames of delay at the service, to interpolate frames that were not sent "
            "instead of forecasting them. The video is sent twice, to measure the gain.",
        ),
    ] = 0,
    returned: Annotated[
        Returned, typer.Option(help="Encoding of the returned frames.")
    ] = Returned.RGB8,
    crf: Annotated[
        int | None,
        typer.Option(
            min=1, max=51, help="With --returned h264: quality from 1 (best) to 51. Default: 23."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT of an orchestrator. Default: run all services in this process."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Name of the model configuration. Default: the server's default."),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(help="Folder of the model repository. Default: the shipped models."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the predictor's noise. Default: no noise."),
    ] = None,
    skip: Skip = 0,
    limit: Annotated[int | None, typer.Option(help="Maximum number of frames to send.")] = None,
    frame: Frame = None,
    full_picture: Annotated[
        bool,
        typer.Option(
            "--full-picture", help="Also write the results inserted into the full pictures."
        ),
    ] = False,
    encoding: Annotated[
        ImageEncoding,
        typer.Option(help="Encoding of the images that are sent, including the source image."),
    ] = ImageEncoding.RGB8,
    quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Quality of jpeg and avif; 1 is the smallest. Default: 95 for jpeg, 70 for avif.",
        ),
    ] = None,
    rivals: Annotated[
        bool,
        typer.Option("--rivals", help="Also measure what x264 and AV1 need for the same frames."),
    ] = False,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Send at the video's frame rate, as a camera would.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace existing results.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(help="Time limit for the whole video, in seconds. Default: none."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write report.json to this path.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only errors and warnings.")] = False,
) -> None:
    """Send a video through the service and see what comes back.

    Only the observed frames of each group are sent; the service forecasts the predicted ones. By
    default every frame is sent; with --predicted 1 every second one is forecast.
    """
    from motioncast.cli.cast import CastOptions
    from motioncast.cli.job import StreamJob
    from motioncast.framing import FramingMode

    options = CastOptions(
        observed,
        predicted,
        model,
        relative,
        seed,
        timeout,
        real_time,
        encoding=encoding.value,
        quality=quality,
        keypoints=None if keypoints is None else keypoints.value,
        packet_frames=packet_frames,
        datagrams=datagrams,
        gate_pixels=gate,
        delay_frames=delay,
        returned=returned.value,
        crf=crf,
    )
    job = StreamJob(
        video,
        out,
        options,
        source or (),
        sources,
        send.value,
        skip,
        limit,
        target,
        models,
        frame=None if frame is None else FramingMode(frame.value),
        full_picture=full_picture,
        rivals=rivals,
        force=force,
    )
    run_job(job, json=json, quiet=quiet)


def run_job(job: StreamJob, *, json: Path | None, quiet: bool) -> None:
    """Runs a job and prints the results."""
    from rich.console import Console

    from motioncast.cli.before import check_json
    from motioncast.cli.job import FULL_PICTURE
    from motioncast.cli.marking import signed_line
    from motioncast.cli.output import write_json
    from motioncast.cli.progress import progress_bars
    from motioncast.cli.streaming import stream_video
    from motioncast.cli.tables import show_paths, stream_tables

    check_json(json)
    with progress_bars(quiet=quiet) as stages:
        report = stream_video(job, stages)
    if json is not None:
        write_json(json, report.as_json())
    if not quiet:
        console = Console()
        console.print(stream_tables(report))
        full = (
            {FULL_PICTURE: "the result inserted into the full pictures"} if job.full_picture else {}
        )
        show_paths(console, job.out, {**FILES, **full})
        console.print(signed_line(), style="dim", soft_wrap=True, highlight=False, markup=False)
