"""Cuts crops out of a full picture, and puts results back into it.

Pictures are (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from motioncast.framing.crop import Crop

Picture: TypeAlias = NDArray[np.uint8]  # (H, W, 3), RGB

BORDER: Final = 0.06  # of the side: width of the blend between a result and the picture
_SUPPORT: Final = 2  # pixels on either side that a bicubic filter uses, at its own scale


def cut(picture: Picture, crop: Crop, size: int) -> Picture:
    """Returns the content of a crop, scaled to (size, size, 3).

    Where the crop leaves the picture, the picture's border is repeated. Pillow's bicubic filter
    widens with the reduction, so every pixel of the crop contributes.
    """
    margin = math.ceil(_SUPPORT * max(1.0, crop.side / size)) + 1
    left, right = math.floor(crop.left) - margin, math.ceil(crop.left + crop.side) + margin
    top, bottom = math.floor(crop.top) - margin, math.ceil(crop.top + crop.side) + margin
    part = _window(picture, top, bottom, left, right)
    x, y = crop.left - left, crop.top - top
    return _resized(part, size, size, (x, y, x + crop.side, y + crop.side))


def put_back(picture: Picture, result: Picture, crop: Crop) -> Picture:
    """Returns the full picture with a square result in the place that was cropped.

    Towards the crop's edge the result fades into the picture over BORDER of the side; edges that
    lie outside the picture are invisible and need no fading.
    """
    height, width, _ = picture.shape
    columns = slice(max(0, math.ceil(crop.left)), min(width, math.floor(crop.left + crop.side)))
    rows = slice(max(0, math.ceil(crop.top)), min(height, math.floor(crop.top + crop.side)))
    full = picture.copy()
    if columns.start >= columns.stop or rows.start >= rows.stop:
        return full
    scale = len(result) / crop.side
    box = (
        (columns.start - crop.left) * scale,
        (rows.start - crop.top) * scale,
        min((columns.stop - crop.left) * scale, result.shape[1]),
        min((rows.stop - crop.top) * scale, result.shape[0]),
    )
    pasted = _resized(result, columns.stop - columns.start, rows.stop - rows.start, box)
    weight = np.minimum(
        _rise(rows, crop.top, crop.side)[:, None, None],
        _rise(columns, crop.left, crop.side)[None, :, None],
    )
    mixed = weight * pasted + (1 - weight) * full[rows, columns]
    full[rows, columns] = np.rint(mixed).astype(np.uint8)
    return full


def _rise(pixels: slice, start: float, side: float) -> NDArray[np.float32]:
    """Returns the weight of each row or column: 0 at the crop's edges, 1 beyond BORDER."""
    centres = np.arange(pixels.start, pixels.stop) + 0.5 - start
    depth = np.minimum(centres, side - centres) / (BORDER * side)
    depth = np.clip(depth, 0, 1)
    return (depth * depth * (3 - 2 * depth)).astype(np.float32)


def _window(picture: Picture, top: int, bottom: int, left: int, right: int) -> Picture:
    """Returns a part of the picture, with its border repeated where the part leaves it."""
    height, width, _ = picture.shape
    if top >= 0 and bottom <= height and left >= 0 and right <= width:
        return np.ascontiguousarray(picture[top:bottom, left:right])
    rows = np.clip(np.arange(top, bottom), 0, height - 1)
    columns = np.clip(np.arange(left, right), 0, width - 1)
    return picture[rows[:, None], columns]


def _resized(
    picture: Picture, width: int, height: int, box: tuple[float, float, float, float]
) -> Picture:
    image = PIL.Image.fromarray(picture)
    scaled = image.resize((width, height), PIL.Image.Resampling.BICUBIC, box=box)
    return np.asarray(scaled, dtype=np.uint8)
