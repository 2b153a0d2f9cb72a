"""Draws keypoints on a frame: each a disc in its own colour, with the trail of its motion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from motioncast.cli.colours import keypoint_colour

BACKGROUND_BRIGHTNESS: Final = 0.35  # of the frame behind the keypoints, so that they stand out
FEW: Final = 16  # number of keypoints up to which they are drawn at full size
SUPERSAMPLING: Final = 2  # Pillow draws without antialiasing: draw larger, then reduce


def pixel_position(x: float, y: float, width: int, height: int) -> tuple[float, float]:
    """Returns the position of a keypoint, in pixels from the top left pixel's centre.

    -1 is the centre of the first pixel and 1 that of the last, as everywhere in the system.
    """
    return (x + 1) / 2 * (width - 1), (y + 1) / 2 * (height - 1)


def draw_keypoints(
    panel: NDArray[np.uint8], trail: Sequence[NDArray[np.float32]]
) -> NDArray[np.uint8]:
    """Returns the panel dimmed, with keypoints on it.

    Args:
        panel: The picture behind the keypoints, (H, W, 3).
        trail: Keypoints (K, 3) of the latest frames, oldest first; the last become discs, larger
            for higher intensity, earlier ones thin lines.
    """
    height, width, _ = panel.shape
    dimmed = Image.fromarray((panel * BACKGROUND_BRIGHTNESS).astype(np.uint8))
    canvas = dimmed.resize((width * SUPERSAMPLING, height * SUPERSAMPLING))
    draw = ImageDraw.Draw(canvas)
    unit = SUPERSAMPLING * height / 128  # one pixel of a 128-pixel frame
    unit *= min(1.0, (FEW / len(trail[-1])) ** 0.5)  # many discs cover no more area than few
    for index, (_, _, intensity) in enumerate(trail[-1]):
        # The centre of pixel 0 lies half a pixel inside the canvas.
        positions = [
            pixel_position(keypoints[index, 0], keypoints[index, 1], width, height)
            for keypoints in trail
        ]
        path = [((x + 0.5) * SUPERSAMPLING, (y + 0.5) * SUPERSAMPLING) for x, y in positions]
        colour = keypoint_colour(index)
        if len(path) > 1:
            draw.line(path, fill=colour, width=max(1, round(0.6 * unit)))
        _disc(draw, path[-1], radius=(1.2 + 1.4 * float(intensity)) * unit, colour=colour)
    return np.asarray(canvas.resize((width, height), Image.Resampling.BOX))


def _disc(
    draw: ImageDraw.ImageDraw,
    centre: tuple[float, float],
    radius: float,
    colour: tuple[int, int, int],
) -> None:
    x, y = centre
    draw.ellipse(
        (x - radius, y - radius, x + radius, y + radius), fill=colour, outline=(255, 255, 255)
    )
