"""Converts the pictures of cameras and other libraries to a session's: RGB, 8 bits, square."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from motioncast.client.errors import InvalidRequestError
from motioncast.client.types import Model, Pixels

Channels: TypeAlias = Literal["rgb", "bgr", "rgba", "bgra", "grey"]

_ORDER: Final[dict[Channels, list[int]]] = {  # positions of red, green and blue
    "rgb": [0, 1, 2],
    "bgr": [2, 1, 0],
    "rgba": [0, 1, 2],
    "bgra": [2, 1, 0],
    "grey": [0, 0, 0],
}
_COUNT: Final[dict[Channels, int]] = {"rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4, "grey": 1}
MAX_SIZE: Final = 4096


def fit(
    frame: NDArray[Any], size: int | Model | None = None, *, channels: Channels = "rgb"
) -> Pixels:
    """Returns a picture as sessions take it, (H, W, 3) uint8 RGB; always a copy.

        fit(frame, channels="bgr")           OpenCV's frame, for a session with frame="auto"
        fit(frame, 256, channels="bgr")      its centre square, scaled to a model of 256 x 256

    Args:
        frame: (H, W, C), or (H, W) of grey. uint8 from 0 to 255, uint16 from 0 to 65535, or floats
            from 0 to 1.
        size: Height and width in pixels, 1 to 4096, or the model that is to receive it: the centre
            square is scaled with an antialiasing filter. None keeps the whole picture.
        channels: The order of its channels. An alpha channel is dropped.

    Raises:
        InvalidRequestError: The picture does not fit this description.
    """
    if channels not in _ORDER:
        raise InvalidRequestError.of(
            "channels", f"{channels!r} is unknown (expected one of {', '.join(_ORDER)})"
        )
    array = np.asarray(frame)
    if array.ndim == 2 and channels == "grey":
        array = array[:, :, np.newaxis]
    wanted = _COUNT[channels]
    if array.ndim != 3 or array.shape[2] != wanted or 0 in array.shape:
        problem = f"shape {array.shape}, but a picture of {channels!r} is (H, W, {wanted})"
        raise InvalidRequestError.of("frame", problem)
    pixels = np.ascontiguousarray(_eight_bits(array)[:, :, _ORDER[channels]])
    if size is None:
        return pixels
    height, width = (size.height, size.width) if isinstance(size, Model) else (size, size)
    if not (1 <= height <= MAX_SIZE and 1 <= width <= MAX_SIZE):
        raise InvalidRequestError.of("size", f"{width} x {height} is out of range [1, {MAX_SIZE}]")
    return _centre(pixels, height, width)


def _eight_bits(array: NDArray[Any]) -> Pixels:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if not np.issubdtype(array.dtype, np.floating):
        problem = f"{array.dtype} values, but pixels are uint8, uint16 or floats from 0 to 1"
        raise InvalidRequestError.of("frame", problem)
    if not (array.min() >= 0 and array.max() <= 1):  # also catches NaN
        raise InvalidRequestError.of("frame", "a value is out of range [0, 1]")
    return np.rint(array.astype(np.float64) * 255).astype(np.uint8)


def _centre(pixels: Pixels, height: int, width: int) -> Pixels:
    """Returns the largest centred part with the aspect of height x width, scaled to that size."""
    rows, columns = pixels.shape[:2]
    scale = min(rows / height, columns / width)
    crop_height, crop_width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (rows - crop_height) // 2, (columns - crop_width) // 2
    part = pixels[top : top + crop_height, left : left + crop_width]
    if part.shape[:2] == (height, width):
        return np.ascontiguousarray(part)
    image = PIL.Image.fromarray(np.ascontiguousarray(part))
    return np.array(image.resize((width, height), PIL.Image.Resampling.BICUBIC))
