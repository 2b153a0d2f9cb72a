"""A common look for all figures: colours that colour-blind readers can tell apart (Okabe and Ito
2008), the same for a predictor in every figure.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from motioncast.models.predictors.registry import REGISTRY


@dataclass(frozen=True, slots=True)
class Look:
    """How a row of the tables is named and drawn."""

    label: str
    colour: str
    dashes: str | tuple[int, tuple[int, ...]] = "-"


LOOKS = {
    **{
        kind.name: Look(kind.label, kind.colour, "-" if kind.rule is None else (0, (5, 2)))
        for kind in REGISTRY
    },
    "all keypoints": Look("all keypoints", "#000000", (0, (1, 1))),
    "copied source": Look("copied source", "#999999", (0, (1, 1))),
}

SETTINGS: Any = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.dpi": 150,
    "font.size": 9,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.hashsalt": "motioncast",  # reruns give the same bytes
}


def look(kind: str) -> Look:
    """Returns the look of a kind; unknown kinds are drawn in brown."""
    return LOOKS.get(kind, Look(kind, "#8C564B"))


@contextmanager
def new_figure(width: float, height: float, free: bool = False) -> Iterator[Figure]:
    """Yields an empty figure of the given size in inches, in the common style.

    Its axes are laid out automatically, unless it is `free`: then the caller places them.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(width, height), layout=None if free else "constrained")
        FigureCanvasAgg(figure)
        yield figure


def save(figure: Figure, path: Path, vector: bool = False, dots_per_inch: int = 150) -> list[str]:
    """Writes PATH.png, and PATH.svg as well for a `vector` figure; returns the files' names."""
    files = [path.with_suffix(".png")]
    figure.savefig(files[0], dpi=dots_per_inch, metadata={"Software": None})
    if vector:
        files.append(path.with_suffix(".svg"))
        figure.savefig(files[1], metadata={"Date": None, "Creator": None})
    return [file.name for file in files]
