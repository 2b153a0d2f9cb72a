"""Keypoints detected on the sender's machine, with the ONNX model that the server uses.

    detector = KeypointDetector("model_repository/lite128_keypoint/1/model.onnx")
    keypoints = detector.observed(frames, observed=5, predicted=5)
    async for frame in service.stream_keypoints(keypoints, source=frames[0]): ...

Needs `pip install 'motioncast[device]'`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motioncast.client.errors import InvalidRequestError, MediaError, MissingExtraError
from motioncast.client.options import is_observed
from motioncast.client.types import Keypoints, Pixels


class KeypointDetector:
    """Finds keypoints with a `<configuration>_keypoint` model.

    Args:
        model: Path of its `model.onnx`.
        threads: Threads that one call uses; 0 for one per core.

    Attributes:
        height: Height of the model's images in pixels.
        width: Width of the model's images in pixels.
        keypoints: K, the number of keypoints.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        MediaError: The file is not there or is no keypoint model.
    """

    def __init__(self, model: str | PathLike[str], *, threads: int = 0) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(
                "keypoints on the device need ONNX Runtime: pip install 'motioncast[device]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = Path(model)
        if not path.is_file():
            raise MediaError(f"{path}: no such file")
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
            (image,) = self._session.get_inputs()
            (keypoints,) = self._session.get_outputs()
            _, self.height, self.width, _ = image.shape
            _, self.keypoints, _ = keypoints.shape
        except Exception as error:  # ONNX Runtime's errors have no common ancestor but this
            raise MediaError(f"{path}: not a keypoint model") from error
        self._input = image.name

    def detect(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the keypoints (B, K, 3) of images (B, H, W, 3) uint8 RGB.

        x and y are in [-1, 1], from the centre of the first pixel to that of the last; the
        intensity is in [0, 1].

        Raises:
            InvalidRequestError: The images are not of the model's size or not uint8.
        """
        images = np.asarray(images)
        size = (self.height, self.width, 3)
        if images.ndim != 4 or images.shape[1:] != size or images.dtype != np.uint8:
            problem = f"shape {images.shape} of {images.dtype}, but the model takes (B, %d, %d, %d)"
            raise InvalidRequestError.of("images", f"{problem % size} of uint8")
        (keypoints,) = self._session.run(None, {self._input: images})
        return np.asarray(keypoints, dtype=np.float32)

    def observed(
        self, frames: Iterable[Pixels | None], observed: int, predicted: int
    ) -> Iterator[Keypoints | None]:
        """Yields keypoints (K, 3) for the frames that the pattern sends, None for all others."""
        for index, frame in enumerate(frames):
            wanted = frame is not None and is_observed(index, observed, predicted)
            yield self.detect(frame[np.newaxis])[0] if wanted and frame is not None else None
