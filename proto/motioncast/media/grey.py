"""Grey pictures of 16 and 32 bits and of real numbers, scaled according to their meaning.

    16 bits               white is the largest number of their depth
    32 bits               white is what the file says, else the first of 255, 65535 and the
                          largest possible number that no value exceeds
    real numbers          white is 1, else 255 or 65535, chosen the same way

A picture of other quantities (elevations, counts) has no white, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from motioncast.media.errors import MediaError

BANDS: Final = 256  # rows that are converted at a time
DEEP: Final = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF 6.0, section 8 and 19
_LARGEST_SAMPLE: Final = (281, 341)
_WHITE_IS_ZERO: Final = 0
_SIGNED: Final = 2
_OVEREXPOSED: Final = 4.0  # real numbers up to this belong to a picture whose white is 1
_MANY: Final = 2**24  # integers from this on use all of their 32 bits


class Grey:
    """Scales a deep grey picture to 8 bits, a band of rows at a time."""

    def __init__(self, image: PIL.Image.Image) -> None:
        """Determines white; raises MediaError, with the problem alone, if there is none."""
        tags: Any = getattr(image, "tag_v2", {})
        self._kind = image.mode
        self._unsigned = image.mode == "I" and _first(tags.get(_SAMPLE_FORMAT)) != _SIGNED
        self._inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        self._white = self._find_white(image, tags)

    def eight_bits(self, band: PIL.Image.Image) -> NDArray[np.uint8]:
        """Returns rows of the picture as (H, W), 0 for black to 255 for white."""
        shares = np.nan_to_num(self._numbers(band), nan=0.0) / self._white
        shares = np.clip(shares, 0, 1)
        return np.rint(255 * (1 - shares if self._inverted else shares)).astype(np.uint8)

    def _numbers(self, band: PIL.Image.Image) -> NDArray[np.float64]:
        numbers = np.asarray(band)
        if self._unsigned:
            numbers = numbers.astype(np.int32).view(np.uint32)
        return numbers.astype(np.float64)

    def _find_white(self, image: PIL.Image.Image, tags: Any) -> float:
        bits = _first(tags.get(_BITS))
        if self._kind.startswith("I;16"):
            return float(2 ** min(16, bits or 16) - 1)
        if self._kind == "I" and image.format in ("PNG", "PPM"):
            return 65535.0  # how Pillow before 11.3 represents 16 bits
        told = [_first(tags.get(tag)) for tag in _LARGEST_SAMPLE]
        if any(told):
            return float(max(number for number in told if number))
        largest = max(float(np.max(numbers, initial=0)) for numbers in self._finite(image))
        steps = [255.0, 65535.0]
        if self._kind == "F":
            steps = [1.0, *steps] if largest <= _OVEREXPOSED else steps
            largest = min(largest, 1.0) if largest <= _OVEREXPOSED else largest
        elif bits == 16:
            steps = [32767.0 if not self._unsigned else 65535.0]
        elif largest >= _MANY:
            steps = [2.0**32 - 1 if self._unsigned else 2.0**31 - 1]
        for white in steps:
            if largest <= white:
                return white
        raise MediaError(f"grey values up to {largest:g}, and the value of white is unknown")

    def _finite(self, image: PIL.Image.Image) -> Iterator[NDArray[np.float64]]:
        for band in bands(image):
            numbers = self._numbers(band)
            yield numbers[np.isfinite(numbers)]


def bands(image: PIL.Image.Image, rows: int = BANDS) -> Iterator[PIL.Image.Image]:
    """Yields a picture in bands of this many rows; the last one may have fewer."""
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(image.height, top + rows)))


def _first(value: Any) -> int | None:
    value = value[0] if isinstance(value, tuple) and value else value
    return int(value) if isinstance(value, int | float) else None
