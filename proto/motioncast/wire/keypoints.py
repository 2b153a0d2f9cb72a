"""Keypoint sets as arrays: (K, 3) float32 of x, y in [-1, 1] and intensity in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.timeline.ranges import INTENSITY, POSITION
from motioncast.v1.common_pb2 import KeypointSet
from motioncast.wire.errors import InvalidInputError

Keypoints = NDArray[np.float32]

_TOLERANCE: Final = 1e-3  # so that no frame is refused because of a sender's rounding
_RANGES: Final = (("x", *POSITION), ("y", *POSITION), ("intensity", *INTENSITY))


def encode_keypoints(keypoints: Keypoints) -> KeypointSet:
    """Returns keypoints (K, 3) as a message."""
    x, y, intensity = np.asarray(keypoints, dtype=np.float32).T.tolist()
    return KeypointSet(x=x, y=y, intensity=intensity)


def decode_keypoints(message: KeypointSet, count: int, field: str = "keypoints") -> Keypoints:
    """Returns the message as keypoints (K, 3).

    Args:
        message: The keypoint set received.
        count: K, the model's number of keypoints.
        field: Path of the message in the request, for error messages.

    Raises:
        InvalidInputError: The lists do not have K values each, or a value is not finite or out of
            range.
    """
    for name, values in (("x", message.x), ("y", message.y), ("intensity", message.intensity)):
        if len(values) != count:
            raise InvalidInputError.of(
                f"{field}.{name}", f"{len(values)} values, but the model has {count} keypoints"
            )
    keypoints = np.array([message.x, message.y, message.intensity], dtype=np.float32).T
    check_keypoints(keypoints, field)
    return np.ascontiguousarray(keypoints)


def decode_keypoint_sets(messages: Sequence[KeypointSet], count: int, field: str) -> Keypoints:
    """Returns T messages as keypoints (T, K, 3); T may be 0. Raises as `decode_keypoints` does."""
    sets = [decode_keypoints(one, count, f"{field}[{t}]") for t, one in enumerate(messages)]
    return np.stack(sets) if sets else np.empty((0, count, 3), dtype=np.float32)


def check_keypoints(keypoints: Keypoints, field: str = "keypoints") -> None:
    """Raises InvalidInputError when a value of keypoints (..., 3) is not finite or out of range."""
    for axis, (name, low, high) in enumerate(_RANGES):
        values = keypoints[..., axis]
        if not np.isfinite(values).all():
            raise InvalidInputError.of(f"{field}.{name}", "a value is not finite")
        if values.size and (values.min() < low - _TOLERANCE or values.max() > high + _TOLERANCE):
            worst = values.flat[np.abs(values - (low + high) / 2).argmax()]
            raise InvalidInputError.of(
                f"{field}.{name}", f"{worst:g} is out of range [{low:g}, {high:g}]"
            )
