"""report.html: the report as one self-contained page, with plots, pictures and video embedded."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Final

import jinja2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from motioncast.cli.charts import Series, line_chart
from motioncast.cli.colours import ORIGIN_COLOURS, css
from motioncast.cli.motion import motion_rows
from motioncast.cli.report import FrameRecord, QualityReport, Report
from motioncast.cli.traffic import (
    bit_rate,
    came_back_sentence,
    compared,
    keypoints_sentence,
    note,
    sent_sentence,
)

MAX_EMBEDDED_VIDEO_BYTES: Final = 8 * 2**20
MAX_STRIP_PIXELS: Final = 1800  # width: two for each of the page's pixels

_BASELINE_COLOUR: Final = "#9aa3ad"
_RESULT_COLOUR: Final = "var(--accent)"


def render_page(report: Report, strip: NDArray[np.uint8], video: Path) -> str:
    """Returns the page as HTML text.

    Args:
        report: What to show.
        strip: A picture of several frames, (H, W, 3).
        video: comparison.mp4; embedded in the page unless it is larger than 8 MiB.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False
    )
    template = environment.from_string(
        resources.files("motioncast.cli").joinpath("assets/report.html.jinja").read_text("utf-8")
    )
    frames, total = report.timeline, report.frames.total
    return template.render(
        report=report,
        forecast_share=(report.frames.predicted + report.frames.concealed) / total,
        video_data=video_data(video),
        strip_data=jpeg_data(strip),
        runs=_runs(frames),
        origin_keys=[
            {
                "colour": css(colour),
                "text": f"{origin.value}: {getattr(report.frames, origin.value)}",
            }
            for origin, colour in ORIGIN_COLOURS.items()
        ],
        bit_rate=bit_rate(report.bits_per_second),
        crop_range=_crop_range(frames),
        qualities=quality_rows(report.quality),
        motions=motion_rows(report.motion),
        quality_charts=[] if report.quality.reason else quality_charts(frames),
        baseline_colour=_BASELINE_COLOUR,
        byte_bars=_byte_bars(report),
        sent_sentence=sent_sentence(report),
        came_back_sentence=came_back_sentence(report),
        keypoints_sentence=keypoints_sentence(report),
        compared=[(one, bit_rate(one.bits_per_second)) for one in compared(report)],
        note=note(report),
        latency_chart=line_chart(
            [Series("end to end", [frame.end_to_end_ms for frame in frames], _RESULT_COLOUR)],
            x_label="frame",
            y_label="end to end, ms",
        ),
    )


def _crop_range(frames: tuple[FrameRecord, ...]) -> str:
    """Returns a sentence about the camera's crops; "" if there was no camera."""
    crops = [frame.crop for frame in frames if frame.crop is not None]
    if not crops:
        return ""
    parts = []
    for name in ("left", "top", "side"):
        values = [getattr(crop, name) for crop in crops]
        low, high = f"{min(values):.1f}", f"{max(values):.1f}"
        parts.append(f"{name} {low}" + (f" to {high}" if high != low else ""))
    return f"The crop, in pixels of the full picture: {', '.join(parts)}."


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive frames of one origin."""

    length: int
    colour: str
    title: str


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    text: str
    percent: float


def _runs(frames: tuple[FrameRecord, ...]) -> list[_Run]:
    runs = []
    for origin, members in groupby(frames, key=lambda frame: frame.origin):
        indices = [frame.index for frame in members]
        title = f"{origin.value}: {indices[0]} to {indices[-1]}"
        runs.append(_Run(len(indices), css(ORIGIN_COLOURS[origin]), title))
    return runs


def quality_rows(quality: QualityReport) -> list[tuple[str, object]]:
    """Returns the rows of the quality table: name and means, for origins that have frames."""
    rows = {
        "observed": quality.observed,
        "predicted": quality.predicted,
        "concealed": quality.concealed,
        "all": quality.all,
    }
    return [(name, mean) for name, mean in rows.items() if mean is not None]


def quality_charts(frames: tuple[FrameRecord, ...]) -> list[str]:
    """Returns the curves of PSNR and SSIM over the frames, as SVG."""
    dots = [css(ORIGIN_COLOURS[frame.origin]) for frame in frames]
    charts = []
    for measure, label in (("psnr_db", "PSNR, dB"), ("ssim", "SSIM")):
        copied = _values(frames, "copied_source", measure)
        result = _values(frames, "result", measure)
        series = [
            Series("copying the source", copied, _BASELINE_COLOUR),
            Series("result", result, _RESULT_COLOUR, dots),
        ]
        charts.append(line_chart(series, x_label="frame", y_label=label))
    return charts


def _values(frames: tuple[FrameRecord, ...], of: str, measure: str) -> list[float | None]:
    # Frame 0 is the source's own: copying it is perfect, which would stretch the scale.
    return [None if frame.index == 0 else getattr(getattr(frame, of), measure) for frame in frames]


def _byte_bars(report: Report) -> list[_Bar]:
    counts = report.bytes
    rows = {
        "every frame as raw RGB (not sent)": report.raw_frame_bytes,
        "source image": counts.source,
        "frames": counts.frames,
        "keypoints": counts.keypoints,
        "results, returned": counts.results,
    }
    largest = max(rows.values())
    return [_Bar(name, f"{size:,} bytes", 100 * size / largest) for name, size in rows.items()]


def jpeg_data(picture: NDArray[np.uint8]) -> str:
    """Returns a picture (H, W, 3) as a data URL."""
    image = Image.fromarray(picture)
    image.thumbnail((MAX_STRIP_PIXELS, MAX_STRIP_PIXELS), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def video_data(video: Path) -> str | None:
    """Returns a video as a data URL; None if it is too large for a page."""
    if video.stat().st_size > MAX_EMBEDDED_VIDEO_BYTES:
        return None
    return "data:video/mp4;base64," + base64.b64encode(video.read_bytes()).decode()
