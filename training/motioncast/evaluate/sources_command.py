"""Measures the gain from several sources on held-out clips, chosen as the services choose them.

    motioncast evaluate sources --data videos/test --all
    python -m motioncast.evaluate.sources_command (the same)

To compare several networks on the same clips, repeat --model, --models or --checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from tqdm import tqdm

from motioncast.data.arguments import open_data
from motioncast.data.command_line import Program, refusing
from motioncast.evaluate.markdown import table
from motioncast.evaluate.original import Original
from motioncast.evaluate.pipelines import open_pipelines
from motioncast.evaluate.quality_results import (
    QualityOptions,
    QualityResults,
    chosen_clips,
    digests,
)
from motioncast.evaluate.results import check_replaceable
from motioncast.evaluate.several_sources import (
    ClipSources,
    SeveralSources,
    compare_sources,
    summaries,
)
from motioncast.sending.refreshing import RefreshSettings
from motioncast.sources import MAX_SOURCES, ChoiceSettings, GatherSettings
from motioncast.wire.errors import DomainError

_CHOICE, _GATHER, _REFRESH = ChoiceSettings(), GatherSettings(), RefreshSettings()


@dataclass(frozen=True, kw_only=True)
class SourcesOptions(QualityOptions):
    """What is evaluated, and how sources are gathered and chosen (motioncast.sources)."""

    sources: Annotated[int, typer.Option(metavar="N", help="maximum number of sources")] = (
        MAX_SOURCES
    )
    threshold: Annotated[float, typer.Option(help="cost above which a frame becomes a source")] = (
        _GATHER.threshold
    )
    apart: Annotated[
        int, typer.Option(metavar="N", help="minimum number of frames between two sources")
    ] = _GATHER.rest_frames
    motion_penalty: Annotated[
        float, typer.Option(help="cost of global motion relative to the residual")
    ] = _CHOICE.motion_penalty
    margin: Annotated[
        float, typer.Option(help="share by which another source must be cheaper to be chosen")
    ] = _CHOICE.margin
    rest: Annotated[
        int, typer.Option(metavar="N", help="minimum number of frames that a source is used for")
    ] = _CHOICE.rest_frames
    below_db: Annotated[
        float,
        typer.Option(
            help="PSNR of a synthesised picture below which its frame is sent as a source"
        ),
    ] = _REFRESH.below_db


def run(options: SourcesOptions, command: str) -> None:
    """Evaluates and prints; raises Refusal for invalid input."""
    with refusing(DomainError, OSError, ValueError):
        if options.out is not None:
            check_replaceable(options.out / "sources", options.force)
        gathering = GatherSettings(options.sources, options.threshold, options.apart)
        choice = ChoiceSettings(options.motion_penalty, options.margin, options.rest)
        refreshing = RefreshSettings(options.below_db, max(2, options.sources))
        found: list[ClipSources] = []
        with open_pipelines(options) as pipelines:
            clips = open_data(options, pipelines[0].size)
            chosen = chosen_clips(clips, None if options.all else options.clips)
            for clip in tqdm(chosen, desc="evaluating", unit="clip"):
                original = Original(clips.names[clip], clips.clip(clip))
                for pipeline in pipelines:
                    found += compare_sources(pipeline, original, gathering, choice, refreshing)
            networks = digests(pipelines)

    rows = summaries(found)
    page = as_page(rows, str(options.data), command)
    QualityResults(command, page, networks, rows, found).write(options, "sources")
    print(page)


def as_page(rows: Sequence[SeveralSources], data: str, command: str) -> str:
    """Returns the evaluation's page (Markdown)."""
    head = ["networks", "sources", "images", "bytes", "kbit/s"]
    head += ["changes per 100 frames", "PSNR dB", "gain"]
    head += ["mouth PSNR dB", "gain", "SSIM", "gain"]
    lines = [
        [
            row.networks,
            row.sources,
            f"{row.images:.2f}",
            f"{row.source_bytes:,.0f}",
            f"{row.source_kbit_s:.2f}",
            f"{row.changes:.1f}",
            f"{row.psnr_db:.2f}",
            f"{row.gain_db:+.2f}",
            f"{row.mouth_psnr_db:.2f}",
            f"{row.mouth_gain_db:+.2f}",
            f"{row.ssim:.4f}",
            f"{row.ssim_gain:+.4f}",
        ]
        for row in rows
    ]
    return "\n\n".join(
        [
            "# Several sources",
            f"{rows[0].clips} clips of {data}, all keypoints sent; frames that are sources"
            " are not counted. Gains are over the first frame as the only source."
            " *Gathered*: further sources from the clip's past only, chosen as the services"
            " choose. *Refreshed*: further sources where the synthesised picture is poor."
            " *Hindsight*: for each frame, the best of the gathered sources. *Spread*: as"
            " many frames, spread over the whole clip and known from its start.",
            f"```\n{command}\n```",
            table(head, lines),
        ]
    )


main = Program("motioncast evaluate sources", SourcesOptions, run, __doc__)


if __name__ == "__main__":
    main()
