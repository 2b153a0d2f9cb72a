"""The parts of a clip's evaluation shared by all networks: frames, boxes and the copied source.

Shapes: T frames, S pixels a side, s pixels a side as measured.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from motioncast.evaluate.canvas import Frames
from motioncast.quality.boxes import Box, face_box, mouth_box
from motioncast.quality.flicker import flicker, still_pixels
from motioncast.quality.pixels import ROUNDING_PSNR_DB, Planes, planes, psnr, ssim


class Original:
    """A clip (T, S, S, 3), T >= 2, with everything that does not depend on the networks."""

    def __init__(self, name: str, clip: Frames, side: int | None = None) -> None:
        """Measures the clip; raises ValueError for a single frame.

        With a `side` that divides the clip's, everything is measured on pictures reduced to it, so
        that the figures of networks of two sizes are comparable.
        """
        if len(clip) < 2:
            raise ValueError(f"data: {name} has one frame (at least two are needed)")
        if side is not None and (side < 1 or clip.shape[1] % side):
            raise ValueError(
                f"--measure-at: {side} is not a divisor of {clip.shape[1]}, the side of the"
                " pictures"
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
        """Returns frames (F, S, S, 3) in the form that is measured, (F, 3, s, s)."""
        whole, factor = planes(frames), self.factor
        if factor == 1:
            return whole
        count, channels, side = whole.shape[:3]
        cells = whole.reshape(count, channels, side // factor, factor, side // factor, factor)
        reduced: Planes = cells.mean(axis=(3, 5), dtype=whole.dtype)
        return reduced

    def judge(self, frames: Planes, indices: Sequence[int]) -> "FrameFigures":
        """Measures frames (F, 3, s, s) against the original's frames at the indices (F,)."""
        return FrameFigures.of(frames, self.frames[list(indices)], self.mouth)


class FrameFigures(NamedTuple):
    """The per-frame figures, (F,) each."""

    psnr_db: NDArray[np.float64]
    ssim: NDArray[np.float64]
    mouth_psnr_db: NDArray[np.float64]

    @classmethod
    def of(cls, frames: Planes, true: Planes, mouth: Box) -> Self:
        """Measures frames (F, 3, S, S) against the true ones; 8-bit rounding bounds the PSNR."""
        return cls(
            psnr(frames, true).clip(max=ROUNDING_PSNR_DB),
            ssim(frames, true),
            psnr(mouth.crop(frames), mouth.crop(true)).clip(max=ROUNDING_PSNR_DB),
        )

    def replaced(self, indices: Sequence[int], others: Self) -> Self:
        """Returns the same with the figures of some frames replaced."""
        parts = [every.copy() for every in self]
        for every, some in zip(parts, others, strict=True):
            every[list(indices)] = some
        return type(self)(*parts)
