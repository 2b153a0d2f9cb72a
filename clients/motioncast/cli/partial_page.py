"""report.html of a session that broke off: marked as incomplete, with the results received."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

import jinja2
import numpy as np
from numpy.typing import NDArray

from motioncast.cli.partial import Ended
from motioncast.cli.report import Configuration, FrameRecord, QualityReport
from motioncast.cli.report_page import jpeg_data, quality_charts, quality_rows, video_data

_TEMPLATE: Final = "assets/partial.html.jinja"


def render_partial_page(
    configuration: Configuration,
    ended: Ended,
    records: tuple[FrameRecord, ...],
    strip: NDArray[np.uint8],
    video: Path,
) -> str:
    """Returns the page as HTML text.

    Args:
        configuration: The requested settings.
        ended: Why and when it ended.
        records: Measurements of the frames received.
        strip: A picture of several of them, (H, W, 3).
        video: comparison.mp4; embedded in the page unless it is larger than 8 MiB.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(
        resources.files("motioncast.cli").joinpath(_TEMPLATE).read_text("utf-8")
    )
    quality = QualityReport.of(records)
    return template.render(
        c=configuration,
        ended=ended,
        video_data=video_data(video),
        strip_data=jpeg_data(strip),
        qualities=quality_rows(quality),
        quality_reason=quality.reason,
        quality_charts=[] if quality.reason else quality_charts(records),
    )
