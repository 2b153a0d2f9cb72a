"""The telling toy models with a registration model in closed form, which uses all of its inputs.

    registration   of keypoint 0: x + 0.1 * (blue of the source - blue of the image) / 255
                                  y halfway to the source's
                   keypoint 1 is unchanged

Blue is that of an image's first pixel, which the keypoint model ignores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from support.toy_configs import write_config
from support.toy_models import CONFIGURATION, write_model
from support.toy_sources import build_telling_repository

from motioncast.export.ensemble_files import ensembles_around, write_ensembles

REGISTRATION: Final = f"{CONFIGURATION}_registration"


def build_registering_repository(root: Path) -> Path:
    """Writes the telling models, the registration model, and ensembles with it; returns root."""
    build_telling_repository(root)
    write_registration(root)
    write_config(root, REGISTRATION, max_batch_size=0)
    write_ensembles(root, ensembles_around(CONFIGURATION, root, []))
    return root


def write_registration(root: Path, keypoints: int = 2, output: str = "registered") -> None:
    """Writes the registration model, for so many keypoints and with that name of its output."""
    rest = ", 0, 0, 0" * (keypoints - 1)
    text = _REGISTRATION.replace("REST", rest).replace("K,", f"{keypoints},")
    write_model(root, REGISTRATION, text.replace("OUTPUT", output))


def toy_registered(
    keypoints: NDArray[np.float32],
    blue: int,
    source_keypoints: NDArray[np.float32],
    source_blue: int,
) -> NDArray[np.float32]:
    """Returns the keypoints (K, 3) of an image with that blue, registered with a source."""
    registered = keypoints.copy()
    registered[0, 0] += np.float32(0.1 * (source_blue - blue) / 255)
    registered[0, 1] = (keypoints[0, 1] + source_keypoints[0, 1]) / 2
    return registered


_REGISTRATION: Final = """
toy_registration (uint8[1, 16, 16, 3] source_image, float[1, K, 3] source_keypoints,
                  uint8[N, 16, 16, 3] image, float[N, K, 3] keypoints)
    => (float[N, K, 3] OUTPUT)
<
    int64 first = {0}, int64 third = {2}, int64[2] keypoint_axes = {1, 2},
    float step = {0.00039215686}, float[1, K, 3] x_of_0 = {1, 0, 0REST},
    float[1, K, 3] half_y_of_0 = {0, 0.5, 0REST}
>
{
    source_row = Gather<axis = 1>(source_image, first)
    source_pixel = Gather<axis = 1>(source_row, first)
    source_blue = Gather<axis = 1>(source_pixel, third)
    source_float = Cast<to = 1>(source_blue)
    row = Gather<axis = 1>(image, first)
    pixel = Gather<axis = 1>(row, first)
    blue = Gather<axis = 1>(pixel, third)
    blue_float = Cast<to = 1>(blue)
    bluer = Sub(source_float, blue_float)
    shift_n = Mul(bluer, step)
    shift = Unsqueeze(shift_n, keypoint_axes)
    moved = Mul(shift, x_of_0)
    away = Sub(source_keypoints, keypoints)
    drawn = Mul(away, half_y_of_0)
    correction = Add(moved, drawn)
    OUTPUT = Add(keypoints, correction)
}
"""
