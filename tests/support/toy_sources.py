"""The toy models with a synthesis whose output identifies its source.

    synthesis   every pixel = round(255 * (x + 1) / 2) of driving keypoint 0,
                              round(255 * (y + 1) / 2) of source keypoint 0,
                              blue of the source's first pixel

The keypoint model ignores blue, so blue can identify a source.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from support.toy_configs import build_configured_repository, write_config
from support.toy_models import CONFIGURATION, image_with_points, write_model

from motioncast.export.ensemble_files import ensembles_around, write_ensembles


def build_telling_repository(root: Path) -> Path:
    """Writes the models, their configs, glue models and ensembles; returns root."""
    build_configured_repository(root)
    name = f"{CONFIGURATION}_synthesis"
    shutil.rmtree(root / name)
    write_model(root, name, _SYNTHESIS)
    write_config(root, name)
    write_ensembles(root, ensembles_around(CONFIGURATION, root, []))
    return root


def source_image(
    blue: int, red: tuple[int, int] = (8, 8), green: tuple[int, int] = (4, 4)
) -> NDArray[np.uint8]:
    """Returns `image_with_points(red, green)`, blue everywhere."""
    image = image_with_points(red, green)
    image[..., 2] = blue
    return image


def telling_colour(
    driving: NDArray[np.float32], source_keypoints: NDArray[np.float32], blue: int
) -> tuple[int, int, int]:
    """Returns the colour of the frame for a source and driving keypoints (K, 3)."""
    x, y = driving[0, 0], source_keypoints[0, 1]
    return round(255 * (float(x) + 1) / 2), round(255 * (float(y) + 1) / 2), blue


_SYNTHESIS: Final = """
toy_synthesis (uint8[B, 16, 16, 3] source_image, float[B, 2, 3] source_keypoints,
               float[B, T, 2, 3] driving_keypoints) => (uint8[B, T, 16, 16, 3] image)
<
    int64 first = {0}, int64 second = {1}, int64 third = {2}, int64[1] time = {1},
    int64[1] colours = {2}, int64[2] rows_columns = {2, 3},
    int64[5] pixels = {1, 1, 16, 16, 1}, float one = {1}, float half = {127.5}, float zero = {0}
>
{
    driven = Gather<axis = 2>(driving_keypoints, first)
    x = Gather<axis = 2>(driven, first)
    still = Mul(x, zero)
    rest = Gather<axis = 1>(source_keypoints, first)
    y = Gather<axis = 1>(rest, second)
    y_t = Unsqueeze(y, time)
    x_unit = Add(x, one)
    y_unit = Add(y_t, one)
    red = Mul(x_unit, half)
    green_0 = Mul(y_unit, half)
    green = Add(green_0, still)
    row = Gather<axis = 1>(source_image, first)
    pixel_0 = Gather<axis = 1>(row, first)
    blue_u = Gather<axis = 1>(pixel_0, third)
    blue_0 = Cast<to = 1>(blue_u)
    blue_t = Unsqueeze(blue_0, time)
    blue = Add(blue_t, still)
    red_1 = Unsqueeze(red, colours)
    green_1 = Unsqueeze(green, colours)
    blue_1 = Unsqueeze(blue, colours)
    colour = Concat<axis = 2>(red_1, green_1, blue_1)
    rounded = Round(colour)
    bytes = Cast<to = 2>(rounded)
    pixel = Unsqueeze(bytes, rows_columns)
    image = Expand(pixel, pixels)
}
"""
