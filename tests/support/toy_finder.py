"""A face finder in closed form: the first face is a blue rectangle, the second a green one.

    faces   the bounding boxes of the pixels above 200 in blue (score 0.9) and in green (score 0.8)

Its outputs are such that the framing recovers those boxes, for faces 0.8 times as wide as high. Its
interface is that of the shipped `face_finder`: images of 192 x 192 pixels, 64 candidates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from support.toy_models import write_model

from motioncast.framing import FINDER
from motioncast.framing.faces import (
    FACE_HEIGHT,
    HEIGHT_OF_BOX,
    SIDE_OF_BOX,
    SIDE_OF_EYES,
    X_OF_BOX,
    Y_OF_BOX,
)

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
    """Returns a grey picture with faces (left, top, right, bottom): first blue, then green."""
    picture = np.full((height, width, 3), 90, np.uint8)
    for (left, top, right, bottom), colour in zip(faces, colours or (BLUE, GREEN), strict=False):
        picture[top:bottom, left:right] = colour
    return picture


_FROM_ONE: Final = ", ".join(str(i + 1) for i in range(192))
_BACKWARDS: Final = ", ".join(str(192 - i) for i in range(192))
_EYES_APART: Final = (HEIGHT_OF_BOX / FACE_HEIGHT - SIDE_OF_BOX) / SIDE_OF_EYES  # in box sides

_FINDER = """
face_finder (uint8[B, 192, 192, 3] image) => (float[B, 64, 9] faces)
<
    int64[2] channels = {2, 1}, float threshold = {200}, float size = {192}, float half = {0.5},
    float[1, 192, 1] ends = {ENDS}, float[1, 192, 1] starts = {STARTS},
    float[1, 2] sure = {0.9, 0.8}, int64[1] last = {2},
    float box_of_height = {BOX}, float x_of_box = {X_SHIFT}, float y_of_box = {Y_SHIFT},
    float eye_of_box = {EYE}, int64[6] padding = {0, 0, 0, 0, 62, 0}
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
    x_face = Div(x_half, size)
    y_face = Div(y_half, size)
    height_pixels = Sub(bottom, top)
    height = Div(height_pixels, size)
    box = Mul(height, box_of_height)
    x_shift = Mul(box, x_of_box)
    y_shift = Mul(box, y_of_box)
    x = Sub(x_face, x_shift)
    y = Sub(y_face, y_shift)
    eye = Mul(box, eye_of_box)
    eye_left = Sub(x, eye)
    eye_right = Add(x, eye)
    score_ = Unsqueeze(score, last)
    x_ = Unsqueeze(x, last)
    y_ = Unsqueeze(y, last)
    box_ = Unsqueeze(box, last)
    left_ = Unsqueeze(eye_left, last)
    right_ = Unsqueeze(eye_right, last)
    two = Concat<axis = 2>(score_, x_, y_, box_, box_, left_, y_, right_, y_)
    faces = Pad(two, padding)
}
"""
for _name, _value in (
    ("ENDS", _FROM_ONE),
    ("STARTS", _BACKWARDS),
    ("BOX", repr(1 / HEIGHT_OF_BOX)),
    ("X_SHIFT", repr(X_OF_BOX)),
    ("Y_SHIFT", repr(Y_OF_BOX)),
    ("EYE", repr(_EYES_APART / 2)),
):
    _FINDER = _FINDER.replace(_name, _value)
