"""Measures how suitable a detector's keypoints are for forecasting: jitter, equivariance, jumps.

    motioncast evaluate keypoints --data videos/test --all
    python -m motioncast.evaluate.keypoints_command (the same)

To compare several networks on the same clips, repeat --model, --models or --checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from motioncast.data.arguments import open_data
from motioncast.data.clip_cache import ClipCache
from motioncast.data.command_line import Program, refusing
from motioncast.evaluate.keypoint_quality import (
    STRETCH_FRAMES,
    ClipStability,
    Stability,
    measure_clip,
    of_clip,
    summarise,
)
from motioncast.evaluate.markdown import table
from motioncast.evaluate.pipelines import Pipeline, open_pipelines
from motioncast.evaluate.quality_results import (
    QualityOptions,
    QualityResults,
    chosen_clips,
    digests,
)
from motioncast.evaluate.results import check_replaceable
from motioncast.wire.errors import DomainError


@dataclass(frozen=True, kw_only=True)
class KeypointOptions(QualityOptions):
    """What is evaluated."""

    seed: Annotated[int, typer.Option(help="seed of the noise and the transforms")] = 0


def run(options: KeypointOptions, command: str) -> None:
    """Evaluates and prints; raises Refusal for invalid input."""
    with refusing(DomainError, OSError, ValueError):
        if options.out is not None:
            check_replaceable(options.out / "keypoints", options.force)
        with open_pipelines(options) as pipelines:
            clips = open_data(options, pipelines[0].size)
            chosen = chosen_clips(clips, None if options.all else options.clips)
            rows, by_clip = _evaluate(pipelines, clips, chosen, options.seed)
            networks = digests(pipelines)

    page = as_page(rows, str(options.data), command)
    results = QualityResults(command, page, networks, rows, by_clip)
    results.write(options, "keypoints")
    print(page)


def as_page(rows: Sequence[Stability], data: str, command: str) -> str:
    """Returns the evaluation's page (Markdown)."""
    head = ["networks", "measure", "clips", "mean", "median", "95 %", "worst keypoint", "largest"]
    lines = [
        [
            row.networks,
            row.measure,
            str(row.clips),
            f"{row.mean:.3f}",
            f"{row.median:.3f}",
            f"{row.percentile_95:.3f}",
            f"{row.worst_keypoint_mean:.3f} (no. {row.worst_keypoint})",
            f"{row.largest:.3f}",
        ]
        for row in rows
    ]
    return "\n\n".join(
        [
            "# Keypoints",
            f"Clips of {data}; pixels of a 128x128 frame. Mean, median and 95th percentile"
            " over samples and keypoints, the largest mean of any keypoint (numbered from"
            " 0), and the largest sample. Made by",
            f"```\n{command}\n```",
            table(head, lines),
        ]
    )


def _evaluate(
    pipelines: Sequence[Pipeline], clips: ClipCache, chosen: Sequence[int], seed: int
) -> tuple[list[Stability], list[ClipStability]]:
    long_enough = [clip for clip in chosen if clips.lengths()[clip] >= STRETCH_FRAMES]
    if not long_enough:
        raise ValueError(
            f"data: all clips are shorter than the {STRETCH_FRAMES} frames of a still stretch"
        )
    rows, by_clip = [], []
    for pipeline in pipelines:
        found = []
        for clip in tqdm(long_enough, desc=pipeline.name, unit="clip"):
            random = np.random.default_rng([seed, clip])
            samples = measure_clip(pipeline.detect, np.array(clips.clip(clip)), random)
            found.append(samples)
            by_clip += of_clip(pipeline.name, clips.names[clip], samples)
        rows += summarise(pipeline.name, found)
    return rows, by_clip


main = Program("motioncast evaluate keypoints", KeypointOptions, run, __doc__)


if __name__ == "__main__":
    main()
