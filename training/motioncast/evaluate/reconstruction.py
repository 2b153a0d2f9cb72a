"""Reconstructs a clip from its first frame and some frames' keypoints, and measures the result.

    every frame's keypoints are sent, or M of M + N and the others are forecast
    -> the figures of quality_metrics.METRICS for every clip, and over all clips

Shapes: T frames, S pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.original import Original
from motioncast.evaluate.pipelines import Pipeline, sent_keypoints
from motioncast.evaluate.quality_metrics import METRICS, Means, Reconstruction
from motioncast.models.predictors.gap_filling import pattern as mask_of
from motioncast.quality.expression import shows_expression
from motioncast.timeline.pattern import Pattern

ALL_SENT = Pattern(1, 0)
PATTERNS = (ALL_SENT, Pattern(1, 1), Pattern(5, 5))


@dataclass(frozen=True, slots=True)
class ClipQuality:
    """The figures of one clip, by their names in METRICS, over all frames but the first."""

    networks: str
    pattern: str
    clip: str
    frames: int
    figures: Mapping[str, float]  # NaN if the clip has no such figure


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures over clips with equal weights, leaving out clips without the figure."""

    networks: str
    pattern: str
    clips: int
    figures: Mapping[str, float]


def reconstruct(
    pipeline: Pipeline, original: Original, patterns: Sequence[Pattern] = (ALL_SENT,)
) -> dict[Pattern, tuple[ClipQuality, Frames]]:
    """Returns the quality and the reconstructed frames (T, S, S, 3) under every pattern.

    A frame whose keypoints are sent looks the same under all patterns, and is drawn once.
    """
    keypoints = sent_keypoints(pipeline, original.clip)
    source, source_keypoints = original.clip[0], keypoints[0]
    sent = pipeline.draw(source, source_keypoints, keypoints)
    of_sent = original.judge(original.planes(sent), range(len(sent)))
    found_in_original, found_in_sent = pipeline.detect(original.clip), pipeline.detect(sent)
    results = {}
    for pattern in patterns:
        output, figures, found = sent, of_sent, found_in_sent
        observed = mask_of(pattern.observed, pattern.predicted, len(sent))
        missing: list[int] = (~observed).nonzero().flatten().tolist()
        if missing:
            filled = pipeline.fill(keypoints, observed)
            forecast = pipeline.draw(source, source_keypoints, filled[missing])
            output = sent.copy()
            output[missing] = forecast
            figures = of_sent.replaced(missing, original.judge(original.planes(forecast), missing))
            found = found_in_sent.clone()
            found[missing] = pipeline.detect(forecast)
        clip = Reconstruction(
            original=original,
            output=output,
            figures=figures,
            missing=missing,
            found=found,
            keypoints=found_in_original,
            anchored=shows_expression(pipeline.anchored_keypoints),
        )
        measured = {one.name: one.of_clip(clip) for one in METRICS if one.of_clip is not None}
        quality = ClipQuality(pipeline.name, str(pattern), original.name, len(output) - 1, measured)
        results[pattern] = quality, output
    return results


def summaries(clips: Sequence[ClipQuality]) -> list[Quality]:
    """Returns the figures over the clips for all networks and patterns, in their order."""
    rows: dict[tuple[str, str], Quality] = {}
    for networks, pattern in dict.fromkeys((clip.networks, clip.pattern) for clip in clips):
        chosen = [clip for clip in clips if (clip.networks, clip.pattern) == (networks, pattern)]
        figures: dict[str, float] = {}
        first = next(iter(rows), (networks, pattern))[0]
        means = Means(
            figures,
            all_sent=_figures(rows, (networks, str(ALL_SENT)), figures),
            first=_figures(rows, (first, pattern), figures),
        )
        for metric in METRICS:
            if metric.of_clip is not None:
                figures[metric.name] = metric.over_clips(
                    [clip.figures[metric.name] for clip in chosen]
                )
            elif metric.of_means is not None:
                figures[metric.name] = metric.of_means(means)
        rows[networks, pattern] = Quality(networks, pattern, len(chosen), figures)
    return list(rows.values())


def _figures(
    rows: Mapping[tuple[str, str], Quality], key: tuple[str, str], otherwise: Mapping[str, float]
) -> Mapping[str, float]:
    return rows[key].figures if key in rows else otherwise
