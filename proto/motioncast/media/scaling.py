"""Pictures scaled to the required size: the centre square, or the whole picture within bounds."""

from __future__ import annotations

import numpy as np
import PIL.Image

from motioncast.framing import MAX_SIDE, Picture

Size = tuple[int, int]  # width, height


def centre_square(picture: Picture, size: int, pixel_aspect: float = 1.0) -> Picture:
    """Returns the largest centred square, scaled; a pixel is `pixel_aspect` times as wide as high.

    Pillow's bicubic filter widens with the reduction, so every pixel of the square contributes.
    """
    image = PIL.Image.fromarray(picture)
    side = min(image.width * pixel_aspect, image.height)
    width, height = max(1, round(side / pixel_aspect)), max(1, round(side))
    left, top = (image.width - width) // 2, (image.height - height) // 2
    square = image.crop((left, top, left + width, top + height))
    return np.array(square.resize((size, size), PIL.Image.Resampling.BICUBIC))


def bounded_size(width: float, height: float, max_pixels: int) -> Size:
    """Returns the size of a whole picture, scaled down if it exceeds the bounds."""
    scale = min(1.0, (max_pixels / (width * height)) ** 0.5, MAX_SIDE / max(width, height))
    return max(1, int(width * scale + 0.01)), max(1, int(height * scale + 0.01))


def scaled(picture: Picture, size: Size) -> Picture:
    """Returns the whole picture scaled to a width and height."""
    height, width, _ = picture.shape
    if size == (width, height):
        return picture
    image = PIL.Image.fromarray(picture)
    return np.array(image.resize(size, PIL.Image.Resampling.BICUBIC))
