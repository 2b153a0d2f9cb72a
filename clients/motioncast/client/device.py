"""Keypoints detected on the sender's machine, with the ONNX model that the server uses.

    detector = KeypointDetector("model_repository/face256_keypoint/1/model.onnx")
    keypoints = detector.observed(frames, observed=5, predicted=5)
    async for frame in service.stream_keypoints(keypoints, source=frames[0]): ...

Needs `pip install 'motioncast[device]'`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from motioncast.client.errors import InvalidRequestError, MediaError
from motioncast.client.framing import DeviceFraming
from motioncast.client.onnx import open_model
from motioncast.client.options import is_observed
from motioncast.client.types import FramedKeypoints, Keypoints, Pixels


class KeypointDetector:
    """Finds keypoints with a `<configuration>_keypoint` model.

    Args:
        model: Path of its `model.onnx`.
        threads: Threads per call; 0 for one per core.

    Attributes:
        height: Height of the model's images in pixels.
        width: Width of the model's images in pixels.
        keypoints: K, the number of keypoints.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        MediaError: The file is missing or is not a keypoint model.
    """

    def __init__(self, model: str | PathLike[str], *, threads: int = 0) -> None:
        self._session = open_model(model, threads, "a keypoint model")
        try:
            (image,) = self._session.get_inputs()
            (keypoints,) = self._session.get_outputs()
            _, self.height, self.width, _ = image.shape
            _, self.keypoints, _ = keypoints.shape
        except ValueError as error:
            raise MediaError(f"{Path(model)}: not a keypoint model") from error
        self._input = image.name

    def detect(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the keypoints (B, K, 3) of images (B, H, W, 3) uint8 RGB.

        x and y are in [-1, 1], from the centre of the first pixel to that of the last; intensity
        is in [0, 1].

        Raises:
            InvalidRequestError: The images do not have the model's size or are not uint8.
        """
        images = np.asarray(images)
        size = (self.height, self.width, 3)
        if images.ndim != 4 or images.shape[1:] != size or images.dtype != np.uint8:
            problem = f"shape {images.shape} of {images.dtype}, but the model takes (B, %d, %d, %d)"
            raise InvalidRequestError.of("images", f"{problem % size} of uint8")
        (keypoints,) = self._session.run(None, {self._input: images})
        return np.asarray(keypoints, dtype=np.float32)

    @overload
    def observed(
        self, frames: Iterable[Pixels | None], observed: int, predicted: int
    ) -> Iterator[Keypoints | None]: ...

    @overload
    def observed(
        self,
        frames: Iterable[Pixels | None],
        observed: int,
        predicted: int,
        framing: DeviceFraming,
    ) -> Iterator[FramedKeypoints | None]: ...

    def observed(
        self,
        frames: Iterable[Pixels | None],
        observed: int,
        predicted: int,
        framing: DeviceFraming | None = None,
    ) -> Iterator[Keypoints | FramedKeypoints | None]:
        """Yields keypoints (K, 3) for the frames that the pattern sends, None for all others.

        Args:
            frames: Every frame, of the model's size; with a framing, of any single size.
            observed, predicted: M and N.
            framing: Crops the frames first; the crop then accompanies the keypoints.
        """
        for index, frame in enumerate(frames):
            if frame is None or not is_observed(index, observed, predicted):
                yield None
            elif framing is None:
                yield self.detect(frame[np.newaxis])[0]
            else:
                framed = framing.frame(index, frame)
                keypoints = self.detect(framed.image[np.newaxis])[0]
                yield FramedKeypoints(keypoints, framed.crop)
