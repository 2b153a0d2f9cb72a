"""What is measured in an experiment: names for files, labels and units for people."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of merit."""

    name: str
    label: str
    unit: str
    better: Literal["lower", "higher"]
    scale: float = 1.0  # what values are multiplied with where people read them
    decimals: int = 3

    def show(self, value: float) -> str:
        """Formats a value for a table."""
        return f"{value * self.scale:.{self.decimals}f}"


# One value per clip and frame
IMAGE_MEASURES = (
    Measure("mse", "MSE x 1000", "squared intensity, [0, 1]", "lower", 1000.0),
    Measure("psnr", "PSNR", "dB", "higher", decimals=2),
    Measure("ssim", "SSIM", "1", "higher", decimals=4),
    Measure("ms_ssim", "MS-SSIM", "1", "higher", decimals=4),
    Measure("akd", "AKD", "pixels of the frame", "lower"),
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
