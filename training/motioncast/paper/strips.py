"""Example strips like the paper's Figures 4 and 5: a row per predictor, a column per frame."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from motioncast.evaluate.canvas import Frames
from motioncast.paper.experiment import ALL_KEYPOINTS, Example
from motioncast.paper.protocols import Protocol
from motioncast.paper.style import look, new_figure, save

STRIP_ROWS = ("vrnn", "rnn", "hold")
OBSERVED_COLOUR, PREDICTED_COLOUR = "#009E73", "#D55E00"
COLUMNS = 9
DOTS = 128  # approximate side of a frame
DOTS_PER_INCH = 128
LEFT, ABOVE, GAP = 0.25, 0.35, 0.05  # inches


def strip_frames(protocol: Protocol) -> tuple[int, ...]:
    """Returns the frames to show, spread about evenly over the clip.

    If observed and predicted frames alternate quickly, they alternate in the columns too.
    """
    mask = protocol.mask().tolist()
    last = protocol.frames - 1
    places = [round(place) for place in np.linspace(0, last, min(COLUMNS, last + 1)).tolist()]
    period = protocol.observed_frames + protocol.predicted_frames
    if not all(mask) and period * COLUMNS <= protocol.frames * 2:
        places = [
            min((f for f in range(last + 1) if mask[f] == (column % 2 == 0)), key=_near(place))
            for column, place in enumerate(places)
        ]
    return tuple(sorted(set(places)))


def draw_strip(path: Path, example: Example, protocol: Protocol, mode: str) -> list[str]:
    """Draws one clip: the reference, the synthesis without forecasts, and the predictors."""
    rows = [("ground truth" if mode == "reconstruction" else "no prediction", example.reference)]
    shown = (ALL_KEYPOINTS, *STRIP_ROWS) if mode == "reconstruction" else STRIP_ROWS
    rows += [(look(kind).label, example.strips[kind]) for kind in shown if kind in example.strips]
    mask = protocol.mask().tolist()
    return _draw(path, rows, example, mask)


def _draw(
    path: Path,
    rows: Sequence[tuple[str, Frames]],
    example: Example,
    mask: Sequence[bool],
) -> list[str]:
    """Draws rows of frames, each a whole number of dots per pixel."""
    columns, size = len(example.indices), example.reference.shape[1]
    side = size * max(1, round(DOTS / size)) / DOTS_PER_INCH  # inches
    width = LEFT + columns * (side + GAP)
    height = ABOVE + len(rows) * (side + GAP)
    with new_figure(width, height, free=True) as figure:
        for line, (label, frames) in enumerate(rows):
            bottom = height - ABOVE - (line + 1) * (side + GAP) + GAP
            for column, frame in enumerate(example.indices):
                left = LEFT + column * (side + GAP)
                place = (left / width, bottom / height, side / width, side / height)
                axis = figure.add_axes(place)
                axis.imshow(frames[column], interpolation="nearest")
                axis.set_xticks([])
                axis.set_yticks([])
                axis.grid(visible=False)
                for edge in axis.spines.values():
                    edge.set_visible(True)
                    edge.set_linewidth(1.6)
                    edge.set_color(OBSERVED_COLOUR if mask[frame] else PREDICTED_COLOUR)
                if line == 0:
                    origin = "observed" if mask[frame] else "predicted"
                    axis.set_title(f"{frame}\n{origin}", fontsize=7, pad=3)
                if column == 0:
                    axis.set_ylabel(label, fontsize=8)
        return save(figure, path, dots_per_inch=DOTS_PER_INCH)


def _near(place: int) -> Callable[[int], int]:
    return lambda frame: abs(frame - place)
