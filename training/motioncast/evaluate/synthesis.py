"""Reconstruction quality on held-out clips: every frame from the first frame and keypoints.

    motioncast evaluate synthesis --data videos/test --all
    python -m motioncast.evaluate.synthesis (the same)

Keypoints of every frame are sent (1:0), or M of M + N and the others are forecast (1:1, 5:5). Each
figure is accompanied by that of copying the source, the baseline that needs no network. To compare
several networks on the same clips, repeat --model, --models or --checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from motioncast.data.arguments import open_data
from motioncast.data.clip_cache import ClipCache
from motioncast.data.command_line import Program, refusing
from motioncast.evaluate.contact_sheet import write_contact_sheet
from motioncast.evaluate.markdown import table
from motioncast.evaluate.original import Original
from motioncast.evaluate.pipelines import Pipeline, open_pipelines
from motioncast.evaluate.quality_metrics import METRICS, Table
from motioncast.evaluate.quality_results import (
    QualityOptions,
    QualityResults,
    chosen_clips,
    digests,
    spread,
)
from motioncast.evaluate.reconstruction import (
    PATTERNS,
    ClipQuality,
    Quality,
    reconstruct,
    summaries,
)
from motioncast.evaluate.results import check_replaceable
from motioncast.timeline.pattern import Pattern
from motioncast.wire.errors import DomainError


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions(QualityOptions):
    """What is evaluated, and which of its pictures are kept."""

    pattern: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M:N",
            help="frames sent and forecast (default: 1:0, 1:1 and 5:5); may be repeated",
        ),
    ] = None
    measure_at: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", help="side to which pictures are reduced before they are measured"
        ),
    ] = None
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="folder to write contact sheets to")
    ] = None
    picture_clips: Annotated[
        int, typer.Option(metavar="N", help="number of clips to write contact sheets of")
    ] = 3


def run(options: SynthesisOptions, command: str) -> None:
    """Evaluates and prints; raises Refusal for invalid input."""
    with refusing(DomainError, OSError, ValueError):
        if options.out is not None:
            check_replaceable(options.out / "synthesis", options.force)
        patterns = [Pattern.parse(text) for text in options.pattern or ()]
        with open_pipelines(options) as pipelines:
            clips = open_data(options, pipelines[0].size)
            chosen = chosen_clips(clips, None if options.all else options.clips)
            found = _evaluate(pipelines, clips, chosen, patterns, options)
            networks = digests(pipelines)

    rows = summaries(found)
    page = as_page(rows, str(options.data), command)
    results = QualityResults(command, page, networks, rows, found)
    results.write(options, "synthesis")
    print(page)


def as_page(rows: Sequence[Quality], data: str, command: str) -> str:
    """Returns the evaluation's page (Markdown): a table for each kind of METRICS."""
    return "\n\n".join(
        [
            "# Reconstruction",
            f"{rows[0].clips} clips of {data}: every frame but the first, made from the"
            " first frame and keypoints; the keypoints of M in M + N frames are sent and"
            " the others forecast. Gains are over copying the first frame. Made by",
            f"```\n{command}\n```",
            _table(rows, "quality"),
            "Flicker of still pixels, in 8-bit levels, and the share of pixels that are"
            " still; sharpness of mouth and face relative to the original's.",
            _table(rows, "stillness"),
            "Motion: the error of the changes from frame to frame (1 for a still picture);"
            " for the keypoints found in the result and, where keypoints are anchored, the"
            " opening of mouth and lids, the correlation with the original's motion and the"
            " amplitude relative to it, as medians over clips.",
            _table(rows, "motion"),
        ]
    )


def _table(rows: Sequence[Quality], name: Table) -> str:
    """Formats the metrics of one table that have a heading."""
    several = len({row.networks for row in rows}) > 1
    shown = [
        metric
        for metric in METRICS
        if metric.table == name and metric.heading and (several or not metric.compares)
    ]
    return table(
        ["networks", "M:N", *(metric.heading for metric in shown)],
        [
            [
                row.networks,
                row.pattern,
                *(_known(row.figures[metric.name], metric.form) for metric in shown),
            ]
            for row in rows
        ],
    )


def _evaluate(
    pipelines: Sequence[Pipeline],
    clips: ClipCache,
    chosen: Sequence[int],
    patterns: Sequence[Pattern],
    options: SynthesisOptions,
) -> list[ClipQuality]:
    found = []
    pictured = [chosen[place] for place in spread(len(chosen), options.picture_clips)]
    for clip in tqdm(chosen, desc="evaluating", unit="clip"):
        original = Original(clips.names[clip], clips.clip(clip), options.measure_at)
        for pipeline in pipelines:
            wanted = patterns or PATTERNS[: None if pipeline.forecasts else 1]
            results = reconstruct(pipeline, original, wanted)
            found += [quality for quality, _ in results.values()]
            if options.pictures is not None and clip in pictured:
                for pattern, (_, output) in results.items():
                    name = f"{pipeline.name}_{Path(original.name).stem}_{pattern}.png"
                    file = options.pictures / name.replace(":", "-").replace("/", "_")
                    write_contact_sheet(file, original, output)
    return found


def _known(value: float, form: str) -> str:
    """Formats a figure; an unknown one becomes a dash."""
    return "-" if value != value else format(value, form)


main = Program("motioncast evaluate synthesis", SynthesisOptions, run, __doc__)


if __name__ == "__main__":
    main()
