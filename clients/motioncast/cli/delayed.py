"""What a delay gains: interpolated frames, compared with the same frames forecast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from motioncast.cli.passing import Passed
from motioncast.cli.report import DelayReport, FrameRecord
from motioncast.quality.pixels import compare


def measure_delay(passed: Passed, frames: Sequence[FrameRecord]) -> DelayReport | None:
    """Returns how close both are to the original; None if nothing was interpolated or measured.

    Args:
        passed: A completed video, and its results without waiting.
        frames: Measurements of its frames.
    """
    forecast = passed.forecast
    if forecast is None:
        return None
    waited = [frame for frame in frames if frame.interpolated and frame.result is not None]
    if not waited:
        return None
    at_once = [compare(forecast[one.index], passed.originals[one.index]) for one in waited]
    results = [one.result for one in waited if one.result is not None]
    return DelayReport(
        len(waited),
        float(np.mean([one.psnr_db for one in results])),
        float(np.mean([one.ssim for one in results])),
        float(np.mean([one.psnr_db for one in at_once])),
        float(np.mean([one.ssim for one in at_once])),
    )
