"""The colours of origins and keypoints, the same in videos, pictures and reports."""

from __future__ import annotations

import colorsys
from typing import Final, TypeAlias

from motioncast.client import Origin

Colour: TypeAlias = tuple[int, int, int]  # red, green, blue, 0 to 255

ORIGIN_COLOURS: Final[dict[Origin, Colour]] = {
    Origin.OBSERVED: (46, 174, 96),
    Origin.PREDICTED: (245, 146, 30),
    Origin.CONCEALED: (222, 45, 57),
}

_GOLDEN_RATIO: Final = 0.618033988749895  # its multiples spread evenly around the hue circle


def keypoint_colour(index: int) -> Colour:
    """Returns the colour of keypoint `index`: always the same, and far from its neighbours'."""
    hue = (index * _GOLDEN_RATIO) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75 if index % 2 else 0.45, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def css(colour: Colour) -> str:
    """Returns the colour in CSS notation: `#2eae60`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
