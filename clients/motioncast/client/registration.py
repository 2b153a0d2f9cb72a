"""Keypoints registered with the source on the sender's machine, with the server's ONNX model.

    images, keypoints as found in each alone, source -> keypoints that align the source with them

Shapes: N images, K keypoints.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from motioncast.client.errors import InvalidRequestError, MediaError
from motioncast.client.onnx import open_model
from motioncast.client.types import Keypoints, Pixels


class Registration:
    """Registers keypoints with a `<configuration>_registration` model.

    Args:
        model: Path of its `model.onnx`.
        threads: Threads per call; 0 for one per core.

    Attributes:
        height, width: Size of its images in pixels.
        keypoints: K.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        MediaError: The file is missing or is not a registration model.
    """

    def __init__(self, model: str | PathLike[str], *, threads: int = 0) -> None:
        self._session = open_model(model, threads, "a registration model")
        shapes = {one.name: one.shape for one in self._session.get_inputs()}
        outputs = [one.name for one in self._session.get_outputs()]
        expected = {"source_image", "source_keypoints", "image", "keypoints"}
        if set(shapes) != expected or outputs != ["registered"]:
            raise MediaError(f"{Path(model)}: not a registration model")
        self.height: int
        self.width: int
        _, self.height, self.width, _ = shapes["image"]
        self.keypoints: int = shapes["keypoints"][1]

    def register(
        self,
        images: NDArray[np.uint8],
        keypoints: NDArray[np.float32],
        source_image: Pixels,
        source_keypoints: Keypoints,
    ) -> NDArray[np.float32]:
        """Returns the keypoints (N, K, 3) that best move the source to each image.

        Anchored keypoints are returned unchanged.

        Args:
            images: (N, H, W, 3) uint8 RGB, at least one.
            keypoints: (N, K, 3), as found in each image alone.
            source_image: (H, W, 3) uint8 RGB.
            source_keypoints: (K, 3), as found in the source alone.

        Raises:
            InvalidRequestError: An argument has another shape or type.
        """
        count, size, points = len(images), (self.height, self.width, 3), (self.keypoints, 3)
        if count == 0:
            raise InvalidRequestError.of("images", "none given, but at least one is needed")
        given = {
            "source_image": of_shape("source_image", source_image, size, np.uint8)[np.newaxis],
            "source_keypoints": _points("source_keypoints", source_keypoints, points)[np.newaxis],
            "image": of_shape("images", images, (count, *size), np.uint8),
            "keypoints": _points("keypoints", keypoints, (count, *points)),
        }
        (registered,) = self._session.run(["registered"], given)
        return np.asarray(registered, dtype=np.float32)


def of_shape(field: str, values: object, shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
    """Returns an array of exactly this shape and type; InvalidRequestError if it is another."""
    array, expected = np.asarray(values), np.dtype(kind)
    if array.shape != shape or array.dtype != expected:
        problem = f"shape {array.shape} of {array.dtype}, but the model takes"
        raise InvalidRequestError.of(field, f"{problem} {shape} of {expected}")
    return array


def _points(field: str, values: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    points: NDArray[np.float32] = of_shape(field, values, shape, np.float32)
    if not np.isfinite(points).all():
        raise InvalidRequestError.of(field, "a value is not finite")
    return points
