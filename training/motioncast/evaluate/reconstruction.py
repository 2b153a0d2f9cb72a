"""What comes back of a clip from its first frame and some frames' keypoints, and how good it is.

    every frame's keypoints are sent, or M of M + N and the others forecast
    -> PSNR and SSIM of the whole frame and PSNR of the mouth, beside those of the copied source
    -> flicker of what stands still, and sharpness of mouth and face, beside the original's
    -> whether it moves as the original does: pixels, the keypoints that the detector finds in it,
       and, where keypoints are anchored, the opening of mouth and lids

Shapes: T frames, S pixels, K keypoints (x, y, intensity).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.pipelines import Pipeline
from motioncast.models.predictors.gap_filling import pattern as mask_of
from motioncast.quality.boxes import Box, face_box, mouth_box
from motioncast.quality.expression import compare_movement, is_anchored
from motioncast.quality.flicker import flicker, still_pixels
from motioncast.quality.pixels import ROUNDING_PSNR_DB, Planes, planes, psnr, ssim
from motioncast.quality.sharpness import sharpness
from motioncast.quality.temporal import temporal_error
from motioncast.timeline.pattern import Pattern

ALL_SENT = Pattern(1, 0)
PATTERNS = (ALL_SENT, Pattern(1, 1), Pattern(5, 5))


@dataclass(frozen=True, slots=True)
class ClipQuality:
    """Means over the frames of one clip but the first; `copy_` is the copied source image."""

    networks: str
    pattern: str
    clip: str
    frames: int
    psnr_db: float
    copy_psnr_db: float
    ssim: float
    copy_ssim: float
    mouth_psnr_db: float
    copy_mouth_psnr_db: float
    predicted_psnr_db: float  # of the frames whose keypoints were not sent; NaN without any
    flicker_levels: float  # NaN where nothing stands still
    original_flicker_levels: float
    still_share: float  # of pixels between two frames
    mouth_sharpness: float
    face_sharpness: float
    temporal_error: float  # 1 for a still picture; NaN where the original stands still
    motion_correlation: float  # of the keypoints found in it with those of the original
    motion_amplitude: float  # over the original's
    mouth_correlation: float  # of its opening; NaN where no keypoint is anchored
    mouth_amplitude: float
    lids_correlation: float
    lids_amplitude: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over clips, each weighing the same; a clip without a figure is left out of its mean.

    Of correlations and amplitudes medians: one clip that hardly moves says nothing of the others.
    """

    networks: str
    pattern: str
    clips: int
    psnr_db: float
    copy_psnr_db: float
    gain_db: float
    ssim: float
    copy_ssim: float
    ssim_gain: float
    mouth_psnr_db: float
    copy_mouth_psnr_db: float
    mouth_gain_db: float
    predicted_psnr_db: float
    forecast_cost_db: float  # PSNR below the same networks with every frame sent
    cost_db: float  # PSNR below the first networks of the run in the same pattern
    flicker_levels: float
    original_flicker_levels: float
    flicker_ratio: float
    still_share: float
    mouth_sharpness: float
    face_sharpness: float
    temporal_error: float
    motion_correlation: float
    motion_amplitude: float
    mouth_correlation: float
    mouth_amplitude: float
    lids_correlation: float
    lids_amplitude: float


MEDIANS = frozenset(
    f"{what}_{figure}"
    for what in ("motion", "mouth", "lids")
    for figure in ("correlation", "amplitude")
)


class Original:
    """A clip (T, S, S, 3), T >= 2, and all that is the same whoever reconstructs it."""

    def __init__(self, name: str, clip: Frames, side: int | None = None) -> None:
        """Measures the clip; ValueError for one of a single frame.

        With a `side`, of which the clip's is a multiple, everything is measured on pictures reduced
        to it, so that the figures of networks of two sizes can stand side by side.
        """
        if len(clip) < 2:
            raise ValueError(f"data: {name} has one frame, and at least two are needed")
        if side is not None and (side < 1 or clip.shape[1] % side):
            raise ValueError(
                f"--measure-at {side}: the pictures have {clip.shape[1]} pixels a side "
                "(expected a divisor of that)"
            )
        self.name = name
        self.factor = 1 if side is None else clip.shape[1] // side
        self.clip = np.ascontiguousarray(clip)
        self.frames = self.planes(self.clip)  # (T, 3, s, s)
        self.mouth = mouth_box(self.frames)
        self.face = face_box(self.mouth, *self.frames.shape[-2:])
        self.still = still_pixels(self.frames)
        self.flicker = flicker(self.frames, self.still)
        self.copy = self.judge(
            np.broadcast_to(self.frames[:1], self.frames.shape), range(len(clip))
        )

    def planes(self, frames: Frames) -> Planes:
        """Returns frames (F, S, S, 3) as they are measured, (F, 3, s, s)."""
        whole, factor = planes(frames), self.factor
        if factor == 1:
            return whole
        count, channels, side = whole.shape[:3]
        cells = whole.reshape(count, channels, side // factor, factor, side // factor, factor)
        reduced: Planes = cells.mean(axis=(3, 5), dtype=whole.dtype)
        return reduced

    def judge(self, frames: Planes, indices: Sequence[int]) -> "FrameFigures":
        """Measures frames (F, 3, s, s) that should be those of the indices (F,)."""
        return FrameFigures.of(frames, self.frames[list(indices)], self.mouth)


class FrameFigures(NamedTuple):
    """What is measured frame by frame, (F,) each."""

    psnr_db: NDArray[np.float64]
    ssim: NDArray[np.float64]
    mouth_psnr_db: NDArray[np.float64]

    @classmethod
    def of(cls, frames: Planes, true: Planes, mouth: Box) -> Self:
        """Measures frames (F, 3, S, S) against the true ones; PSNR is bounded at 8-bit rounding."""
        return cls(
            psnr(frames, true).clip(max=ROUNDING_PSNR_DB),
            ssim(frames, true),
            psnr(mouth.crop(frames), mouth.crop(true)).clip(max=ROUNDING_PSNR_DB),
        )

    def replaced(self, indices: Sequence[int], others: Self) -> Self:
        """Returns the same with the figures of some frames exchanged."""
        parts = [every.copy() for every in self]
        for every, some in zip(parts, others, strict=True):
            every[list(indices)] = some
        return type(self)(*parts)


def reconstruct(
    pipeline: Pipeline, original: Original, patterns: Sequence[Pattern] = (ALL_SENT,)
) -> dict[Pattern, tuple[ClipQuality, Frames]]:
    """Returns the quality and the frames (T, S, S, 3) that come back under every pattern.

    A frame whose keypoints are sent looks the same under all patterns, and is drawn once.
    """
    keypoints = pipeline.detect(original.clip)
    source, source_keypoints = original.clip[0], keypoints[0]
    sent = pipeline.draw(source, source_keypoints, keypoints)
    of_sent = original.judge(original.planes(sent), range(len(sent)))
    found_in_sent = pipeline.detect(sent)
    anchored = is_anchored(pipeline.source_weights)
    results = {}
    for pattern in patterns:
        output, figures, found = sent, of_sent, found_in_sent
        observed = mask_of(pattern.observed, pattern.predicted, len(sent))
        missing: list[int] = (~observed).nonzero().flatten().tolist()
        if missing:
            filled = pipeline.fill(keypoints, observed)
            forecast = pipeline.draw(source, source_keypoints, filled[missing])
            output = sent.copy()
            output[missing] = forecast
            figures = of_sent.replaced(missing, original.judge(original.planes(forecast), missing))
            found = found_in_sent.clone()
            found[missing] = pipeline.detect(forecast)
        movement = _movement(found, keypoints, anchored)
        quality = _clip_quality(
            pipeline.name, pattern, original, output, figures, missing, movement
        )
        results[pattern] = quality, output
    return results


def summaries(clips: Sequence[ClipQuality]) -> list[Quality]:
    """Returns the means over the clips of all networks and patterns, in their order."""
    rows: list[Quality] = []
    for networks, pattern in dict.fromkeys((clip.networks, clip.pattern) for clip in clips):
        chosen = [clip for clip in clips if (clip.networks, clip.pattern) == (networks, pattern)]
        mean = {
            field.name: _mean([getattr(clip, field.name) for clip in chosen], field.name in MEDIANS)
            for field in fields(ClipQuality)
            if field.type is float
        }
        known = {(row.networks, row.pattern): row.psnr_db for row in rows}
        first = rows[0].networks if rows else networks
        psnr_db = mean["psnr_db"]
        all_sent = known.get((networks, str(ALL_SENT)), psnr_db)
        rows.append(
            Quality(
                networks=networks,
                pattern=pattern,
                clips=len(chosen),
                gain_db=psnr_db - mean["copy_psnr_db"],
                ssim_gain=mean["ssim"] - mean["copy_ssim"],
                mouth_gain_db=mean["mouth_psnr_db"] - mean["copy_mouth_psnr_db"],
                forecast_cost_db=all_sent - psnr_db,
                cost_db=known.get((first, pattern), psnr_db) - psnr_db,
                flicker_ratio=_ratio(mean["flicker_levels"], mean["original_flicker_levels"]),
                **mean,
            )
        )
    return rows


def _clip_quality(
    networks: str,
    pattern: Pattern,
    original: Original,
    output: Frames,
    figures: FrameFigures,
    missing: Sequence[int],
    movement: dict[str, float],
) -> ClipQuality:
    frames, true, copy = original.planes(output), original.frames, original.copy
    mouth, face = original.mouth, original.face
    return ClipQuality(
        networks=networks,
        pattern=str(pattern),
        clip=original.name,
        frames=len(output) - 1,
        psnr_db=float(figures.psnr_db[1:].mean()),
        copy_psnr_db=float(copy.psnr_db[1:].mean()),
        ssim=float(figures.ssim[1:].mean()),
        copy_ssim=float(copy.ssim[1:].mean()),
        mouth_psnr_db=float(figures.mouth_psnr_db[1:].mean()),
        copy_mouth_psnr_db=float(copy.mouth_psnr_db[1:].mean()),
        predicted_psnr_db=_mean(figures.psnr_db[list(missing)].tolist()),
        flicker_levels=flicker(frames, original.still),
        original_flicker_levels=original.flicker,
        still_share=float(original.still.mean()),
        mouth_sharpness=sharpness(mouth.crop(frames[1:]), mouth.crop(true[1:])),
        face_sharpness=sharpness(face.crop(frames[1:]), face.crop(true[1:])),
        temporal_error=temporal_error(frames, true),
        **movement,
    )


def _movement(found: Tensor, keypoints: Tensor, anchored: bool) -> dict[str, float]:
    """Returns MEDIANS of one clip, its first frame, the source's own, left out."""
    figures = dict.fromkeys(MEDIANS, float("nan"))
    if len(found) < 3:  # one frame more does not move
        return figures
    agreed = compare_movement(found[1:].numpy(), keypoints[1:].numpy(), anchored=anchored)
    parts = {"motion": agreed.keypoints, "mouth": agreed.mouth, "lids": agreed.lids}
    for what, one in parts.items():
        if one is not None:
            figures |= {f"{what}_correlation": one.correlation, f"{what}_amplitude": one.amplitude}
    return figures


def _mean(values: Sequence[float], median: bool = False) -> float:
    """Returns the mean of what is known, or the median."""
    known = [value for value in values if value == value]
    if not known:
        return float("nan")
    return float(np.median(known) if median else np.mean(known))


def _ratio(value: float, of: float) -> float:
    return value / of if of > 0 else float("nan")
