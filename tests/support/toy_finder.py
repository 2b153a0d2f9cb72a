"""A face finder in closed form: a face is a blue rectangle, another one a green rectangle.

    faces   the bounding boxes of the pixels above 200 in blue (score 0.9) and in green (score 0.8)

Its interface is that of the shipped `face_finder`: squares of 192 x 192 pixels, 64 candidates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from support.toy_models import write_model

from motioncast.framing import FINDER

BLUE: Final = (0, 0, 255)
GREEN: Final = (0, 255, 0)


def write_toy_finder(root: Path) -> None:
    """Writes the finder into a repository."""
    write_model(root, FINDER, _FINDER)


def picture_with_faces(
    width: int,
    height: int,
    *faces: tuple[int, int, int, int],
    colours: tuple[tuple[int, int, int], ...] = (),
) -> NDArray[np.uint8]:
    """Returns a grey picture with faces (left, top, right, bottom), the first blue, then green."""
    picture = np.full((height, width, 3), 90, np.uint8)
    for (left, top, right, bottom), colour in zip(faces, colours or (BLUE, GREEN), strict=False):
        picture[top:bottom, left:right] = colour
    return picture


_FROM_ONE: Final = ", ".join(str(i + 1) for i in range(192))
_BACKWARDS: Final = ", ".join(str(192 - i) for i in range(192))

_FINDER: Final = """
face_finder (uint8[B, 192, 192, 3] image) => (float[B, 64, 9] faces)
<
    int64[2] channels = {2, 1}, float threshold = {200}, float size = {192}, float half = {0.5},
    float[1, 192, 1] ends = {ENDS}, float[1, 192, 1] starts = {STARTS},
    float[1, 2] sure = {0.9, 0.8}, int64[1] last = {2}, float zero = {0},
    int64[6] padding = {0, 0, 0, 0, 62, 0}
>
{
    chosen = Gather<axis = 3>(image, channels)
    floats = Cast<to = 1>(chosen)
    bright = Greater(floats, threshold)
    mask = Cast<to = 1>(bright)
    columns = ReduceMax<axes = [1], keepdims = 0>(mask)
    rows = ReduceMax<axes = [2], keepdims = 0>(mask)
    column_ends = Mul(columns, ends)
    column_starts = Mul(columns, starts)
    row_ends = Mul(rows, ends)
    row_starts = Mul(rows, starts)
    right = ReduceMax<axes = [1], keepdims = 0>(column_ends)
    bottom = ReduceMax<axes = [1], keepdims = 0>(row_ends)
    from_right = ReduceMax<axes = [1], keepdims = 0>(column_starts)
    from_bottom = ReduceMax<axes = [1], keepdims = 0>(row_starts)
    left = Sub(size, from_right)
    top = Sub(size, from_bottom)
    any = ReduceMax<axes = [1], keepdims = 0>(columns)
    score = Mul(any, sure)
    x_sum = Add(left, right)
    y_sum = Add(top, bottom)
    x_half = Mul(x_sum, half)
    y_half = Mul(y_sum, half)
    x = Div(x_half, size)
    y = Div(y_half, size)
    width_pixels = Sub(right, left)
    height_pixels = Sub(bottom, top)
    width = Div(width_pixels, size)
    height = Div(height_pixels, size)
    nothing = Mul(any, zero)
    score_ = Unsqueeze(score, last)
    x_ = Unsqueeze(x, last)
    y_ = Unsqueeze(y, last)
    width_ = Unsqueeze(width, last)
    height_ = Unsqueeze(height, last)
    nothing_ = Unsqueeze(nothing, last)
    two = Concat<axis = 2>(score_, x_, y_, width_, height_, nothing_, nothing_, nothing_, nothing_)
    faces = Pad(two, padding)
}
""".replace("ENDS", _FROM_ONE).replace("STARTS", _BACKWARDS)
