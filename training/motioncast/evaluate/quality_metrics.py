"""The metrics of `motioncast evaluate synthesis`: to add one, add an entry to METRICS.

An entry defines how the figure is measured on one clip, or derived from the means over clips;
its heading and format; and the table of the page that shows it. JSON, CSV and page are generated
from METRICS and call a figure by its entry's name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
from torch import Tensor

from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.original import FrameFigures, Original
from motioncast.quality.agreement import Agreement
from motioncast.quality.boxes import Box
from motioncast.quality.expression import Movement, compare_movement
from motioncast.quality.flicker import flicker
from motioncast.quality.pixels import Planes
from motioncast.quality.sharpness import sharpness
from motioncast.quality.temporal import temporal_error

UNKNOWN: Final = float("nan")
Table = Literal["quality", "stillness", "motion"]  # of the page


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A reconstructed clip, (T, S, S, 3), and its original."""

    original: Original
    output: Frames
    figures: FrameFigures  # of every frame
    missing: Sequence[int]  # the frames whose keypoints were not sent
    found: Tensor  # (T, K, 3), the keypoints that the detector finds in the output
    keypoints: Tensor  # (T, K, 3), those found in the original
    anchored: bool  # whether keypoints are anchored to lips and lids

    @cached_property
    def frames(self) -> Planes:
        """Returns the output in the form that is measured, (T, 3, s, s)."""
        return self.original.planes(self.output)

    @cached_property
    def movement(self) -> Movement | None:
        """Returns the agreement of its motion; None if there is one frame after the source."""
        if len(self.found) < 3:
            return None
        result, original = self.found[1:].numpy(), self.keypoints[1:].numpy()
        return compare_movement(result, original, anchored=self.anchored)


@dataclass(frozen=True, slots=True)
class Means:
    """The figures of some networks under one pattern over all clips, and their references."""

    figures: Mapping[str, float]
    all_sent: Mapping[str, float]  # the same networks with every frame's keypoints sent
    first: Mapping[str, float]  # the first networks of the run under the same pattern


def mean(values: Sequence[float]) -> float:
    """Returns the mean of the known figures; NaN if there are none."""
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else UNKNOWN


def median(values: Sequence[float]) -> float:
    """Returns the median of the known figures; NaN if there are none."""
    known = [value for value in values if value == value]
    return float(np.median(known)) if known else UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure of merit.

    Attributes:
        name: In JSON and CSV.
        of_clip: Measures one clip; NaN if the clip has no such figure.
        of_means: Derives the figure from the means over clips instead. Exactly one of the two is
            set.
        over_clips: Aggregates the figures of the clips, each with the same weight.
        heading, form: Of its column on the page; without a heading there is no column.
        table: The table of the page.
        compares: Whether the column is left out of runs with a single network.
    """

    name: str
    of_clip: Callable[[Reconstruction], float] | None = None
    of_means: Callable[[Means], float] | None = None
    over_clips: Callable[[Sequence[float]], float] = mean
    heading: str = ""
    form: str = ".3f"
    table: Table = "quality"
    compares: bool = False


def _sharpness(name: str, box: Callable[[Original], Box]) -> Metric:
    """Returns the sharpness in a box relative to the original's, without the source frame."""

    def measured(clip: Reconstruction) -> float:
        crop = box(clip.original).crop
        return sharpness(crop(clip.frames[1:]), crop(clip.original.frames[1:]))

    return Metric(name=f"{name}_sharpness", of_clip=measured, heading=name, table="stillness")


def _agreement(
    name: str, heading: str, part: Callable[[Movement], Agreement | None]
) -> tuple[Metric, Metric]:
    """Returns medians of correlation and amplitude: a clip that hardly moves says little."""

    def of(figure: Callable[[Agreement], float]) -> Callable[[Reconstruction], float]:
        def measured(clip: Reconstruction) -> float:
            agreed = None if clip.movement is None else part(clip.movement)
            return UNKNOWN if agreed is None else figure(agreed)

        return measured

    return (
        Metric(
            name=f"{name}_correlation",
            of_clip=of(lambda agreed: agreed.correlation),
            over_clips=median,
            heading=heading,
            table="motion",
        ),
        Metric(
            name=f"{name}_amplitude",
            of_clip=of(lambda agreed: agreed.amplitude),
            over_clips=median,
            heading="amplitude",
            form=".2f",
            table="motion",
        ),
    )


def _gain(figure: str) -> Callable[[Means], float]:
    return lambda means: means.figures[figure] - means.figures[f"copy_{figure}"]


def _flicker_ratio(means: Means) -> float:
    original = means.figures["original_flicker_levels"]
    return means.figures["flicker_levels"] / original if original > 0 else UNKNOWN


# Every figure, in the order of JSON, CSV and page; derived figures come after their inputs.
METRICS: Final[tuple[Metric, ...]] = (
    Metric(
        name="psnr_db",
        of_clip=lambda clip: float(clip.figures.psnr_db[1:].mean()),
        heading="PSNR dB",
        form=".2f",
    ),
    Metric(name="copy_psnr_db", of_clip=lambda clip: float(clip.original.copy.psnr_db[1:].mean())),
    Metric(name="gain_db", of_means=_gain("psnr_db"), heading="gain", form="+.2f"),
    Metric(
        name="ssim",
        of_clip=lambda clip: float(clip.figures.ssim[1:].mean()),
        heading="SSIM",
        form=".4f",
    ),
    Metric(name="copy_ssim", of_clip=lambda clip: float(clip.original.copy.ssim[1:].mean())),
    Metric(name="ssim_gain", of_means=_gain("ssim"), heading="gain", form="+.4f"),
    Metric(
        name="mouth_psnr_db",
        of_clip=lambda clip: float(clip.figures.mouth_psnr_db[1:].mean()),
        heading="mouth PSNR dB",
        form=".2f",
    ),
    Metric(
        name="copy_mouth_psnr_db",
        of_clip=lambda clip: float(clip.original.copy.mouth_psnr_db[1:].mean()),
    ),
    Metric(name="mouth_gain_db", of_means=_gain("mouth_psnr_db"), heading="gain", form="+.2f"),
    Metric(
        name="predicted_psnr_db",
        of_clip=lambda clip: mean(clip.figures.psnr_db[list(clip.missing)].tolist()),
        heading="predicted frames, dB",
        form=".2f",
    ),
    Metric(
        name="forecast_cost_db",
        of_means=lambda means: means.all_sent["psnr_db"] - means.figures["psnr_db"],
        heading="cost of forecasting, dB",
        form=".2f",
    ),
    Metric(
        name="cost_db",
        of_means=lambda means: means.first["psnr_db"] - means.figures["psnr_db"],
        heading="cost of networks, dB",
        form=".2f",
        compares=True,
    ),
    Metric(
        name="flicker_levels",
        of_clip=lambda clip: flicker(clip.frames, clip.original.still),
        heading="flicker",
        table="stillness",
    ),
    Metric(
        name="original_flicker_levels",
        of_clip=lambda clip: clip.original.flicker,
        heading="of the original",
        table="stillness",
    ),
    Metric(name="flicker_ratio", of_means=_flicker_ratio, heading="ratio", table="stillness"),
    Metric(
        name="still_share",
        of_clip=lambda clip: float(clip.original.still.mean()),
        heading="still",
        form=".0%",
        table="stillness",
    ),
    _sharpness("mouth", lambda original: original.mouth),
    _sharpness("face", lambda original: original.face),
    Metric(
        name="temporal_error",
        of_clip=lambda clip: temporal_error(clip.frames, clip.original.frames),
        heading="error of motion",
        table="motion",
    ),
    *_agreement("motion", "keypoints", lambda movement: movement.keypoints),
    *_agreement("mouth", "mouth", lambda movement: movement.mouth),
    *_agreement("lids", "lids", lambda movement: movement.lids),
)
