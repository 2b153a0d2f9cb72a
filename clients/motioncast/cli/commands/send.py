"""`motioncast send`: sends a video to remote receivers, as keypoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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


def send(
    video: Video,
    target: Annotated[
        str, typer.Option(help="HOST:PORT of a relay, such as that of `motioncast serve`.")
    ] = "localhost:50050",
    source: SourceImages = None,
    sources: Annotated[
        int,
        typer.Option(
            min=1,
            max=4,
            help="Without --source: maximum number of source images to pick from the video while "
            "sending.",
        ),
    ] = 1,
    relative: Relative = False,
    observed: Observed = DEFAULT_OBSERVED,
    predicted: Annotated[
        int, typer.Option(help="Frames per group that receivers forecast; 0 sends every frame.")
    ] = DEFAULT_PREDICTED,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of the model configuration. Default: face256, if the repository contains it."
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(help="Folder of the model repository. Default: the shipped models."),
    ] = None,
    skip: Skip = 0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of frames to send.")
    ] = None,
    frame: Frame = None,
    encoding: Annotated[
        ImageEncoding, typer.Option(help="Encoding of source images; webp and png are lossless.")
    ] = ImageEncoding.AVIF,
    coarseness: Annotated[
        int,
        typer.Option(
            min=0,
            max=7,
            help="Quantisation of coded keypoints; each level is half an octave coarser.",
        ),
    ] = 2,
    gate: Annotated[
        float | None,
        typer.Option(
            metavar="PIXELS",
            help="Do not send frames whose forecast error is smaller: the largest error of a "
            "keypoint, in pixels of a 256-pixel picture. 1 is barely visible.",
        ),
    ] = None,
    refresh: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            min=1,
            max=60,
            help="Render a picture periodically, as receivers do; if its PSNR is below this, "
            "also send the frame as a source: at most 4 sources at a time (or --sources), "
            "12 sources and 64 KiB in total.",
        ),
    ] = None,
    first_quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=69,
            help="Send a smaller first picture (AVIF of this quality); the full source follows "
            "one second later.",
        ),
    ] = None,
    wait: Annotated[
        int,
        typer.Option(
            min=0,
            max=25,
            help="Frames that a frame may wait to share a packet with later ones, which "
            "saves headers.",
        ),
    ] = 0,
    watchers: Annotated[
        int,
        typer.Option(min=0, help="Number of watchers to wait for before sending; 0: do not wait."),
    ] = 1,
    json: Annotated[
        Path | None, typer.Option(help="Also write the result to this JSON file.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only the command for receivers, and errors.")
    ] = False,
) -> None:
    """Send a video as keypoints to all watchers; the frames are rendered there.

    The face is framed, and its keypoints are detected and coded, on this machine; the server relays
    them. Prints the command with which others receive it. Anyone who has it sees the video.
    """
    from rich.console import Console

    from motioncast.cli.before import check_gate, check_json
    from motioncast.cli.failures import CommandError
    from motioncast.cli.output import write_json
    from motioncast.cli.progress import progress_bars
    from motioncast.cli.sending import SendJob, send_video
    from motioncast.cli.stoppable import run_stoppable
    from motioncast.cli.two_ends_tables import sent_lines
    from motioncast.framing import FramingMode
    from motioncast.timeline.pattern import Pattern

    check_json(json)
    if gate is not None:
        check_gate(gate)
    if relative and not source:
        raise CommandError("relative: requires --source")
    if sources > 1 and source:
        raise CommandError("sources: cannot be combined with --source")
    if refresh is not None and source:
        raise CommandError("refresh: cannot be combined with --source")
    if first_quality is not None and encoding is not ImageEncoding.AVIF:
        raise CommandError("first-quality: requires --encoding avif")
    job = SendJob(
        video,
        target,
        model,
        models,
        Pattern.parse(f"{observed}:{predicted}", "--observed, --predicted"),
        tuple(source or ()),
        sources,
        relative,
        None if frame is None else FramingMode(frame.value),
        encoding.value,
        coarseness,
        gate,
        wait,
        skip,
        limit,
        watchers,
        refresh,
        first_quality,
    )

    def announce(room: str, token: str) -> None:
        line = f"motioncast receive --target {target} --room {room} --token {token}"
        print(f"{line} --out result.mp4", flush=True)

    with progress_bars(quiet=quiet) as stages:
        sent = run_stoppable(send_video(job, stages, announce))
    if json is not None:
        write_json(json, sent.as_json())
    if not quiet:
        for line in sent_lines(sent):
            Console(soft_wrap=True, highlight=False).print(line)
