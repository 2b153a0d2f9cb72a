"""Plots curves of rate and quality as one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib

from motioncast.evaluate.rate.measuring import Point
from motioncast.evaluate.rate.ours import EVERY_FRAME, FLOATS, SOURCE_ALONE
from motioncast.evaluate.rate.summary import curve

matplotlib.use("agg")
from matplotlib import pyplot

PANELS: Final = (
    ("psnr_db", "PSNR, dB"),
    ("ssim", "SSIM"),
    ("vif", "VIF"),
    ("temporal_error", "error of motion (1: a still picture)"),
)
LEFT_OUT: Final = (SOURCE_ALONE, FLOATS)  # no rate, and a hundred times the others' rate


def draw(lines: Sequence[Point], codecs: Sequence[str], path: Path, title: str) -> None:
    """Writes a PNG with a panel per quality metric: codecs as lines, ours as crosses and a line."""
    figure, panels = pyplot.subplots(2, 2, figsize=(12, 9), layout="constrained")
    methods = [one for one in dict.fromkeys(line.method for line in lines) if one not in LEFT_OUT]
    for panel, (quality, label) in zip(panels.flat, PANELS, strict=True):
        for number, method in enumerate(methods):
            points = curve(lines, method, quality)
            rates, values = zip(*points, strict=True)
            if quality == "temporal_error":
                values = tuple(-value for value in values)
            style = "-" if method in codecs or method == EVERY_FRAME else ""
            marker = "." if method in codecs else "x"
            panel.plot(
                rates,
                values,
                linestyle=style,
                marker=marker,
                linewidth=2.5 if method == EVERY_FRAME else 1,
                color=pyplot.get_cmap("tab20")(number % 20),
                label=method,
            )
        panel.set_xscale("log")
        panel.set_xlabel("payload, kbit/s")
        panel.set_ylabel(label)
        panel.grid(alpha=0.3, which="both")
    figure.suptitle(title)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
