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
        str, typer.Option(help="HOST:PORT of a relay: `motioncast serve` has one.")
    ] = "localhost:50050",
    source: SourceImages = None,
    sources: Annotated[
        int,
        typer.Option(
            min=1,
            max=4,
            help="Without --source: frames of the video that become sources as it goes.",
        ),
    ] = 1,
    relative: Relative = False,
    observed: Observed = DEFAULT_OBSERVED,
    predicted: Annotated[
        int, typer.Option(help="Frames that receivers forecast in each group; 0 sends every frame.")
    ] = DEFAULT_PREDICTED,
    model: Annotated[
        str | None, typer.Option(help="Model configuration. Default: face256, if it is here.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Model repository. Default: the shipped one.")
    ] = None,
    skip: Skip = 0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take only that many frames of the video.")
    ] = None,
    frame: Frame = None,
    encoding: Annotated[
        ImageEncoding, typer.Option(help="How source images are sent; webp loses nothing.")
    ] = ImageEncoding.AVIF,
    coarseness: Annotated[
        int, typer.Option(min=0, max=7, help="Of the coded keypoints, half an octave each.")
    ] = 2,
    gate: Annotated[
        float | None,
        typer.Option(
            metavar="PIXELS",
            help="Leave out frames that the receivers' forecast errs by less in: the largest error "
            "of a keypoint, of 256 pixels. 1 is hardly seen.",
        ),
    ] = None,
    refresh: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            min=1,
            max=60,
            help="Make a picture now and then as receivers do; where its PSNR is below this, send"
            " the frame as a source too: four at once (or --sources), 12 in all, up to 64 KiB.",
        ),
    ] = None,
    first_quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=69,
            help="Send a smaller first picture (AVIF of this quality) before the source, which"
            " follows a second later.",
        ),
    ] = None,
    wait: Annotated[
        int,
        typer.Option(
            min=0, max=25, help="Frames that one may wait for others in a packet: fewer headers."
        ),
    ] = 0,
    watchers: Annotated[int, typer.Option(min=0, help="Begin when so many watch; 0: at once.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write what was sent here too.")] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print the line for receivers, and errors, only.")
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
        raise CommandError("relative: takes a source image of its own")
    if sources > 1 and source:
        raise CommandError("sources: frames of the video are no sources where --source is one")
    if refresh is not None and source:
        raise CommandError("refresh: frames of the video are no sources where --source is one")
    if first_quality is not None and encoding is not ImageEncoding.AVIF:
        raise CommandError("first-quality: that of AVIF, and --encoding is another")
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
