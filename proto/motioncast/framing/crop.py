"""Crops: the square of a picture that the networks see.

Positions are in pixels, edges not centres: the picture's left edge is 0, its right edge its width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_STEPS: Final = 64  # to a pixel; up to 2^17 pixels such a number is exact in 32 bits too


@dataclass(frozen=True, slots=True)
class Crop:
    """A square, which may reach beyond the picture.

    Attributes:
        left, top: Of its upper left corner.
        side: Above 0.
    """

    left: float
    top: float
    side: float

    @property
    def centre(self) -> tuple[float, float]:
        """x and y of its middle."""
        return self.left + self.side / 2, self.top + self.side / 2

    def rounded(self) -> Crop:
        """Returns the crop in whole 64ths of a pixel, which travel without loss."""
        left, top, side = (round(n * _STEPS) / _STEPS for n in (self.left, self.top, self.side))
        return Crop(left, top, side)


def centre_square(width: int, height: int) -> Crop:
    """Returns the largest square in the middle of a picture, from whole pixel to whole pixel."""
    side = min(width, height)
    return Crop(float((width - side) // 2), float((height - side) // 2), float(side))
