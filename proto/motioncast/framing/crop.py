"""Crops: the square of a picture that the networks see.

Positions are in pixels, measured at edges, not centres: a picture extends from 0 to its width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_STEPS: Final = 64  # per pixel; up to 2^17 pixels such a number is exact in 32 bits too


@dataclass(frozen=True, slots=True)
class Crop:
    """A square, which may extend beyond the picture.

    Attributes:
        left, top: Position of its upper left corner.
        side: Length of its sides, above 0.
    """

    left: float
    top: float
    side: float

    @property
    def centre(self) -> tuple[float, float]:
        """x and y of its middle."""
        return self.left + self.side / 2, self.top + self.side / 2

    def rounded(self) -> Crop:
        """Returns the crop in whole 64ths of a pixel, which can be transmitted exactly."""
        left, top, side = (round(n * _STEPS) / _STEPS for n in (self.left, self.top, self.side))
        return Crop(left, top, side)


def centre_square(width: int, height: int) -> Crop:
    """Returns the largest square in the middle of a picture, aligned to whole pixels."""
    side = min(width, height)
    return Crop(float((width - side) // 2), float((height - side) // 2), float(side))
