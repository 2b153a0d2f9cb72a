"""The figures of an experiment: error over time, boxes over initialisations, latent variables.

Shapes: T frames, I initialisations, Z latent.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from motioncast.paper.latents import LatentFigures, LatentPathPicture
from motioncast.paper.measures import MEASURES, Measure
from motioncast.paper.metrics.latent import ACTIVE_KL_NATS
from motioncast.paper.style import look, new_figure, save
from motioncast.paper.summary import FrameLine, Section

OUT_OF_PICTURE = 3.0  # curves this many times as far from the best as hold may leave the picture
BANDS = ("vrnn", "rnn", "hold")  # kinds with visible intervals: all of them would hide each other
LOG_RATIO = 8.0  # ratio of the largest to the smallest box above which an axis is logarithmic


def error_per_frame(path: Path, lines: Sequence[FrameLine], measures: Sequence[str]) -> list[str]:
    """Draws curves over the frames with their intervals; predicted frames are shaded."""
    with new_figure(4.6 * len(measures), 3.2) as figure:
        axes = figure.subplots(1, len(measures), squeeze=False)[0]
        for axis, measure in zip(axes, measures, strict=True):
            chosen = [line for line in lines if line.measure == measure]
            if _gaps(chosen) > 1:  # observed and predicted frames together would form a sawtooth
                chosen = [line for line in chosen if not line.observed]
                axis.set_title("predicted frames alone")
            else:
                _shade_predicted(axis, chosen)
            for kind in dict.fromkeys(line.predictor for line in chosen):
                _curve(axis, kind, [line for line in chosen if line.predictor == kind], measure)
            axis.set_xlabel("frame")
            axis.set_ylabel(axis_label(MEASURES[measure]))
            axis.set_xlim(min(line.frame for line in chosen), max(line.frame for line in chosen))
            _limit(axis, chosen, MEASURES[measure])
        _legend_outside(axes[-1])
        return save(figure, path, vector=True)


def error_per_horizon(path: Path, lines: Sequence[FrameLine], measure: str) -> list[str]:
    """Draws the error over the number of frames since the last observed one.

    The right panel is relative to holding still, which separates curves that lie close together.
    """
    chosen = [line for line in lines if line.measure == measure and line.horizon > 0]
    held = {line.horizon: line.mean for line in chosen if line.predictor == "hold"}
    with new_figure(9.0, 3.4) as figure:
        left, right = figure.subplots(1, 2)
        for kind in dict.fromkeys(line.predictor for line in chosen):
            curve = [line for line in chosen if line.predictor == kind]
            places = [line.horizon for line in curve]
            _curve(left, kind, curve, measure, places)
            ratios = [line.mean / held.get(line.horizon, 1.0) for line in curve]
            seen = look(kind)
            right.plot(
                places, ratios, color=seen.colour, linestyle=seen.dashes, label=seen.label, lw=1.4
            )
        left.set_ylabel(axis_label(MEASURES[measure]))
        _limit(left, chosen, MEASURES[measure])
        left.set_ylim(bottom=0)
        right.set_ylabel("forecast error / that of hold")
        right.set_ylim(top=1.3)
        for axis in (left, right):
            axis.set_xlabel("horizon: frames since the last observed one")
            axis.set_xlim(min(places), max(places))
            if len(places) <= 12:
                axis.set_xticks(places)
        _legend_outside(right)
        return save(figure, path, vector=True)


def boxes(path: Path, section: Section, measures: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """Draws boxes over initialisations, as the paper's Figures 6 to 11; one value is a mark."""
    with new_figure(3.6 * len(measures), 3.2) as figure:
        for axis, measure in zip(
            figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True
        ):
            shown = MEASURES[measure]
            drawn: list[float] = []
            for place, kind in enumerate(kinds):
                figures = section.per_initialisation(measure, kind, "all") * shown.scale
                finite = figures[np.isfinite(figures)]
                _box(axis, place, kind, finite)
                drawn += finite.tolist()
            if drawn and min(drawn) > 0 and max(drawn) > LOG_RATIO * min(drawn):
                axis.set_yscale("log")
            axis.set_xticks(range(len(kinds)), [look(kind).label for kind in kinds])
            axis.set_xlim(-0.6, len(kinds) - 0.4)
            axis.set_ylabel(axis_label(shown))
            axis.grid(visible=False, axis="x")
        return save(figure, path, vector=True)


def kl_per_dimension(path: Path, figures: Sequence[LatentFigures]) -> list[str]:
    """Draws the KL of every latent dimension, the largest first, a dot per initialisation."""
    most = max(len(found.kl_per_dimension) for found in figures)
    sorted_kl = np.zeros((len(figures), most))  # a smaller latent does not use the further ones
    for row, found in zip(sorted_kl, figures, strict=True):
        row[: len(found.kl_per_dimension)] = sorted(found.kl_per_dimension, reverse=True)
    places = np.arange(1, most + 1)
    with new_figure(6.0, 3.0) as figure:
        axis = figure.subplots()
        axis.bar(places, sorted_kl.mean(axis=0), color=look("vrnn").colour, alpha=0.45)
        for kl in sorted_kl:
            axis.plot(places, kl, "o", color=look("vrnn").colour, markersize=2.5)
        axis.axhline(ACTIVE_KL_NATS, color="#444444", linewidth=0.8, linestyle="--")
        axis.text(places[-1] + 0.5, ACTIVE_KL_NATS, "in use above", ha="right", va="bottom")
        axis.set_yscale("symlog", linthresh=ACTIVE_KL_NATS / 10)
        axis.set_ylim(bottom=0)
        axis.set_xticks(places)
        axis.set_xlabel("latent dimension, in order of use")
        axis.set_ylabel("KL(posterior || prior), nats per frame")
        axis.grid(visible=False, axis="x")
        return save(figure, path)


def latent_paths(path: Path, pictures: Sequence[LatentPathPicture]) -> list[str]:
    """Draws the paths of each clip in the plane, coloured by time (paper, Figure 2).

    The latent variable is above, the recurrent state below.
    """
    spaces = [space for space in ("z", "h") if any(each.space == space for each in pictures)]
    most = max(sum(each.space == space for each in pictures) for space in spaces)
    with new_figure(3.0 * most + 0.6, 3.2 * len(spaces)) as figure:
        axes = figure.subplots(len(spaces), most, squeeze=False)
        for row, space in zip(axes, spaces, strict=True):
            shown = [each for each in pictures if each.space == space]
            for axis, picture in zip(row, shown, strict=False):
                dots = _path_in_plane(axis, picture)
            for axis in row[len(shown) :]:
                axis.set_axis_off()
        figure.colorbar(dots, ax=axes.flatten().tolist(), label="frame", pad=0.01)
        return save(figure, path)


def axis_label(measure: Measure) -> str:
    """Returns label, unit and direction of a measure."""
    unit = "" if measure.unit == "1" or measure.scale != 1 else f", {measure.unit}"
    return f"{measure.label}{unit} ({measure.better} is better)"


def _curve(
    axis: Axes,
    kind: str,
    lines: Sequence[FrameLine],
    measure: str,
    places: Sequence[int] | None = None,
) -> None:
    scale, seen = MEASURES[measure].scale, look(kind)
    x = [line.frame for line in lines] if places is None else list(places)
    mean = [scale * line.mean for line in lines]
    front = 3 if kind == "vrnn" else 2
    axis.plot(
        x, mean, color=seen.colour, linestyle=seen.dashes, label=seen.label, zorder=front, lw=1.4
    )
    bounds = [(line.low, line.high) for line in lines]
    low = [scale * bound for bound, _ in bounds if bound is not None]
    high = [scale * bound for _, bound in bounds if bound is not None]
    if kind in BANDS and len(low) == len(x):
        axis.fill_between(x, low, high, color=seen.colour, alpha=0.15, linewidth=0)


def _path_in_plane(axis: Axes, picture: LatentPathPicture) -> PathCollection:
    x, y = picture.coordinates[:, 0], picture.coordinates[:, 1]
    axis.plot(x, y, color="#bbbbbb", linewidth=0.8, zorder=1)
    dots = axis.scatter(x, y, c=np.arange(1, len(x) + 1), cmap="viridis", s=22, zorder=2)
    shares = [f"{share:.0%}" for share in picture.explained]
    axis.set_xlabel(f"{picture.space}: kernel component 1 ({shares[0]})")
    axis.set_ylabel(f"component 2 ({shares[1]})")
    near = picture.neighbourhoods
    axis.set_title(
        f"{picture.clip}\ntrustworthiness {near.trustworthiness:.2f}, continuity"
        f" {near.continuity:.2f}\nLipschitz: largest {picture.lipschitz.largest:.1f}, median"
        f" {picture.lipschitz.median:.1f}",
        fontsize=8,
    )
    return dots


def _gaps(lines: Sequence[FrameLine]) -> int:
    """Counts the stretches of predicted frames."""
    horizons = {line.frame: line.horizon for line in lines}
    return list(horizons.values()).count(1)


def _limit(axis: Axes, lines: Sequence[FrameLine], measure: Measure) -> None:
    """Clips curves that would squeeze all others together, and notes which they are."""
    spans = {
        kind: [measure.scale * line.mean for line in lines if line.predictor == kind]
        for kind in dict.fromkeys(line.predictor for line in lines)
    }
    sign = 1 if measure.better == "lower" else -1
    best = min(sign * value for values in spans.values() for value in values)
    worst = {kind: max(sign * value for value in values) - best for kind, values in spans.items()}
    allowed = OUT_OF_PICTURE * worst.get("hold", max(worst.values()))
    inside = max((reach for reach in worst.values() if reach <= allowed), default=allowed)
    edges = sorted((sign * (best - 0.08 * inside), sign * (best + 1.08 * inside)))
    axis.set_ylim(edges[0], edges[1])
    outside = [look(kind).label for kind, reach in worst.items() if reach > allowed]
    if outside:
        note = f"outside: {', '.join(outside)}"
        height, vertical = (0.98, "top") if measure.better == "lower" else (0.02, "bottom")
        axis.text(0.02, height, note, transform=axis.transAxes, va=vertical, fontsize=8)


def _shade_predicted(axis: Axes, lines: Sequence[FrameLine]) -> None:
    for frame in sorted({line.frame for line in lines if not line.observed}):
        axis.axvspan(frame - 0.5, frame + 0.5, color="#f3f3f3", linewidth=0, zorder=0)


def _box(
    axis: Axes, place: int, kind: str, figures: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> None:
    colour = look(kind).colour
    if len(figures) > 1:
        axis.boxplot(
            figures,
            positions=[place],
            widths=0.5,
            whis=(0, 100),
            patch_artist=True,
            boxprops={"facecolor": colour, "alpha": 0.35, "edgecolor": colour},
            medianprops={"color": colour, "linewidth": 1.6},
            whiskerprops={"color": colour},
            capprops={"color": colour},
        )
        offsets = place + np.linspace(-0.12, 0.12, len(figures))
        axis.plot(offsets, figures, "o", color=colour, markersize=3)
    elif len(figures) == 1:
        axis.plot(place, figures[0], "D", color=colour, markersize=5)


def _legend_outside(axis: Axes) -> None:
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
