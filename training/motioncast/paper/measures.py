"""The measures of an experiment: their computation, names for files, labels and units for readers.

To add a measure of frames, write a function and a line of IMAGE_MEASURES: tables, tests and figures
include it automatically.

Shapes: T frames, S pixels, K keypoints (x, y, intensity).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from motioncast.metrics.keypoints import average_keypoint_distance
from motioncast.quality.pixels import ROUNDING_PSNR_DB, Planes, mse, psnr, ssim_and_ms_ssim

PerFrame = npt.NDArray[np.float64]  # (T,)


@dataclass(frozen=True)
class Comparison:
    """Frames of one clip and the expected frames."""

    made: Planes  # (T, 3, S, S)
    true: Planes
    found: Tensor  # (T, K, 3), keypoints of the frames
    keypoints: Tensor  # of the expected frames

    @cached_property
    def similarities(self) -> tuple[PerFrame, PerFrame]:
        """SSIM and MS-SSIM, computed together as they share the first scale."""
        return ssim_and_ms_ssim(self.made, self.true)[:2]

    def keypoint_distance(self) -> PerFrame:
        """Returns the mean distance of the keypoints, in pixels of the frame."""
        distance = average_keypoint_distance(self.found, self.keypoints, self.made.shape[-1])
        return np.asarray(distance.double().numpy())


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of merit; `of` measures it per frame, None if it is measured elsewhere."""

    name: str
    label: str
    unit: str
    better: Literal["lower", "higher"]
    scale: float = 1.0  # factor applied to displayed values
    decimals: int = 3
    of: Callable[[Comparison], PerFrame] | None = None

    def show(self, value: float) -> str:
        """Formats a value for a table."""
        return f"{value * self.scale:.{self.decimals}f}"


# One value per clip and frame
IMAGE_MEASURES = (
    Measure(
        "mse",
        "MSE x 1000",
        "squared intensity, [0, 1]",
        "lower",
        1000.0,
        of=lambda pair: mse(pair.made, pair.true),
    ),
    Measure(
        "psnr",
        "PSNR",
        "dB",
        "higher",
        decimals=2,
        of=lambda pair: psnr(pair.made, pair.true).clip(max=ROUNDING_PSNR_DB),
    ),
    Measure("ssim", "SSIM", "1", "higher", decimals=4, of=lambda pair: pair.similarities[0]),
    Measure("ms_ssim", "MS-SSIM", "1", "higher", decimals=4, of=lambda pair: pair.similarities[1]),
    Measure("akd", "AKD", "pixels of the frame", "lower", of=Comparison.keypoint_distance),
)
FORECAST_ERROR = Measure("forecast_error", "forecast error", "pixels at 256", "lower")

# One value per initialisation
MOTION_DISTANCE = Measure(
    "keypoint_motion_distance", "keypoint motion distance", "1", "lower", decimals=2
)
FVD = Measure("fvd", "FVD", "1", "lower", decimals=1)

MEASURES = {
    measure.name: measure for measure in (*IMAGE_MEASURES, FORECAST_ERROR, MOTION_DISTANCE, FVD)
}
