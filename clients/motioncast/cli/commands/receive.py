"""`motioncast receive`: renders a video that is sent as keypoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def receive(
    room: Annotated[str, typer.Option(help="Name of the room, as printed by `motioncast send`.")],
    token: Annotated[
        str,
        typer.Option(
            envvar="MOTIONCAST_WATCH_TOKEN",
            help="Token for watching the room, as printed by `motioncast send`. Prefer the "
            "variable: other users of this machine can see command lines.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Path of the video to write.")],
    target: Annotated[str, typer.Option(help="HOST:PORT of the relay.")] = "localhost:50050",
    models: Annotated[
        Path | None,
        typer.Option(help="Folder of the model repository. Default: the shipped models."),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=0, help="Threads per inference; 0: one per core.")
    ] = 0,
    real_time: Annotated[
        bool,
        typer.Option(
            "--real-time",
            help="Render in real time, as a viewer would: only the newest frame when it is due.",
        ),
    ] = False,
    delay: Annotated[
        int,
        typer.Option(
            min=0,
            max=25,
            help="With --real-time: frames of delay, to interpolate missing frames between "
            "received ones.",
        ),
    ] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing video.")] = False,
    json: Annotated[
        Path | None, typer.Option(help="Also write the result to this JSON file.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only errors.")] = False,
) -> None:
    """Receive a video that is sent as keypoints; its frames are rendered on this machine.

    This needs the same models as the sender. The video is written completely or not at all.
    """
    from rich.console import Console

    from motioncast.cli.before import check_json
    from motioncast.cli.failures import CommandError
    from motioncast.cli.marking import signed_line
    from motioncast.cli.output import write_json
    from motioncast.cli.progress import progress_bars
    from motioncast.cli.receiving import ReceiveJob, receive_video
    from motioncast.cli.stoppable import run_stoppable
    from motioncast.cli.two_ends_tables import received_lines
    from motioncast.media import shown

    check_json(json)
    if delay and not real_time:
        raise CommandError("delay: requires --real-time")
    if out.exists() and not force:
        raise CommandError(f"out: {shown(out)} already exists; --force replaces it")
    job = ReceiveJob(target, room, token, out, models, threads, real_time, delay)
    with progress_bars(quiet=quiet) as stages:
        received = run_stoppable(receive_video(job, stages))
    if json is not None:
        write_json(json, received.as_json())
    if not quiet:
        for line in received_lines(received, out):
            Console(soft_wrap=True, highlight=False).print(line)
        typer.echo(signed_line(out.suffix))
