"""`motioncast demo`: the bundled interview, half of its frames forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from motioncast.cli.commands.stream import Keypoints, Send, run_job

SOURCE_QUALITY: Final = 55  # a third fewer bytes than 70, for 0.1 dB: the bulk of so short a clip
PACKET_FRAMES: Final = 4  # delay does not matter for a file, and headers outweigh keypoints


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write the results to.")] = Path("out/demo"),
    send: Annotated[
        Send, typer.Option(help="Send frames, or keypoints detected on this machine.")
    ] = Send.KEYPOINTS,
    keypoints: Annotated[
        Keypoints | None,
        typer.Option(help="How keypoints are sent. Default: coded, if the model has codec tables."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also replace the results of another video.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Also write report.json to this path.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only errors and warnings.")] = False,
) -> None:
    """Reconstruct a bundled clip from its keypoints, with every second frame forecast.

    The models have never seen the person, who is framed first. One image is sent, as AVIF of
    quality 55, and from then on only coded keypoints, those of four frames per packet. All four
    services run in this process and communicate over gRPC. The result is compared with what x264
    and AV1 need for the same frames.
    """
    from motioncast.cli.before import holds_results_of
    from motioncast.cli.bundled import bundled_clip
    from motioncast.cli.cast import CastOptions
    from motioncast.cli.job import StreamJob

    coded = send is Send.KEYPOINTS and keypoints is not Keypoints.FLOATS
    video = bundled_clip()
    job = StreamJob(
        video,
        out,
        CastOptions(
            1,
            1,
            encoding="avif",
            quality=SOURCE_QUALITY,
            keypoints=None if keypoints is None else keypoints.value,
            packet_frames=PACKET_FRAMES if coded else 1,
        ),
        send=send.value,
        rivals=True,
        force=force or holds_results_of(out, video.name),
    )
    run_job(job, json=json, quiet=quiet)
