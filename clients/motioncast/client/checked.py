"""Checks of the values that callers pass to a session, before anything is sent."""

from __future__ import annotations

import numpy as np

from motioncast.client.errors import InvalidRequestError, from_domain
from motioncast.client.types import Keypoints, Pixels
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import check_keypoints


def checked_keypoints(field: str, keypoints: Keypoints) -> Keypoints:
    """Returns keypoints (K, 3); InvalidRequestError if they are malformed or out of range."""
    array = np.asarray(keypoints)
    if array.ndim != 2 or array.shape[1] != 3 or not np.issubdtype(array.dtype, np.number):
        problem = f"shape {array.shape} of {array.dtype}, but keypoints are (K, 3) numbers"
        raise InvalidRequestError.of(field, problem)
    try:
        check_keypoints(array, field)
    except InvalidInputError as error:
        raise from_domain(error) from error
    return array


def checked_image(field: str, image: Pixels) -> Pixels:
    """Returns an image (H, W, 3) uint8; InvalidRequestError if it is anything else."""
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InvalidRequestError.of(field, f"shape {array.shape}, but an image is (H, W, 3)")
    if array.dtype != np.uint8:
        raise InvalidRequestError.of(field, f"{array.dtype} values, but pixels are uint8")
    return array


def size(shape: tuple[int, ...]) -> str:
    """Returns width and height as error messages show them."""
    return f"{shape[1]} x {shape[0]}"
