"""How a picture is turned and mirrored before it is shown: one of eight ways.

A display matrix (ISO/IEC 14496-12, 8.3.2) maps the stored position (x, y) to

    x' = a x + c y        y' = b x + d y

with x to the right and y down. Exif encodes the same as a number from 1 to 8 (Exif 2.32, 4.6.4 A).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """Rows and columns are optionally swapped, then each runs forwards (1) or backwards (-1)."""

    swapped: bool = False
    rows: int = 1
    columns: int = 1

    def upright(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Returns a stored picture (H, W, ...) as it is to be displayed."""
        if self.swapped:
            picture = picture.swapaxes(0, 1)
        return np.ascontiguousarray(picture[:: self.rows, :: self.columns])


UPRIGHT: Final = Orientation()
EXIF: Final = {
    1: UPRIGHT,
    2: Orientation(columns=-1),
    3: Orientation(rows=-1, columns=-1),
    4: Orientation(rows=-1),
    5: Orientation(swapped=True),
    6: Orientation(swapped=True, columns=-1),
    7: Orientation(swapped=True, rows=-1, columns=-1),
    8: Orientation(swapped=True, rows=-1),
}


def of_matrix(matrix: bytes) -> Orientation:
    """Returns the orientation closest to FFmpeg's display matrix: a, b, u, c, d, v, x, y, w.

    Args:
        matrix: Nine 32-bit integers in native byte order, of which a to d are used.
    """
    a, b, _, c, d = np.frombuffer(matrix, np.int32, 5).tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, rows=_sign(b), columns=_sign(c))
    return Orientation(False, rows=_sign(d), columns=_sign(a))


def of_exif(number: object) -> Orientation:
    """Returns the orientation with that Exif number; upright if there is none."""
    return EXIF.get(number, UPRIGHT) if isinstance(number, int) else UPRIGHT


def _sign(value: int) -> int:
    return -1 if value < 0 else 1
