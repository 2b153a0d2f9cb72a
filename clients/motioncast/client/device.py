"""Keypoints detected on the sender's machine, with the ONNX models that the server uses.

    detector = KeypointDetector(
        "model_repository/face256_keypoint/1/model.onnx",
        "model_repository/face256_registration/1/model.onnx",
    )
    keypoints = detector.observed(frames, observed=5, predicted=5, source=frames[0])
    async for frame in service.stream_keypoints(keypoints, source=frames[0]): ...

Needs `pip install 'motioncast[device]'`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from motioncast.client.errors import InvalidRequestError, MediaError
from motioncast.client.framing import DeviceFraming
from motioncast.client.onnx import open_model
from motioncast.client.options import is_observed
from motioncast.client.registration import Registration, of_shape
from motioncast.client.types import FramedKeypoints, Keypoints, Pixels


class KeypointDetector:
    """Finds keypoints with a `<configuration>_keypoint` model.

    Keypoints found in each picture alone are a pixel or two off, differently in every frame. With
    the `<configuration>_registration` model, which only models of faces have, those of frames are
    corrected against the source that they will move.

    Args:
        model: Path of its `model.onnx`.
        registration: Path of the registration's `model.onnx`; None: keypoints are not registered.
        threads: Threads per call; 0 for one per core.

    Attributes:
        height: Height of the model's images in pixels.
        width: Width of the model's images in pixels.
        keypoints: K, the number of keypoints.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        MediaError: A file is missing, is not such a model, or does not match the other.
    """

    def __init__(
        self,
        model: str | PathLike[str],
        registration: str | PathLike[str] | None = None,
        *,
        threads: int = 0,
    ) -> None:
        self._session = open_model(model, threads, "a keypoint model")
        try:
            (image,) = self._session.get_inputs()
            (keypoints,) = self._session.get_outputs()
            _, self.height, self.width, _ = image.shape
            _, self.keypoints, _ = keypoints.shape
        except ValueError as error:
            raise MediaError(f"{Path(model)}: not a keypoint model") from error
        self._input = image.name
        self._registration = None
        if registration is not None:
            self._registration = Registration(registration, threads=threads)
            one = self._registration
            if (one.height, one.width, one.keypoints) != (self.height, self.width, self.keypoints):
                problem = f"its images or keypoints are not those of {Path(model)}"
                raise MediaError(f"{Path(registration)}: {problem}")

    @property
    def registers(self) -> bool:
        """Whether it has a registration model."""
        return self._registration is not None

    def detect(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the keypoints (B, K, 3) of images (B, H, W, 3) uint8 RGB, found in each alone.

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

    def register(
        self,
        images: NDArray[np.uint8],
        keypoints: NDArray[np.float32],
        source_image: Pixels,
        source_keypoints: Keypoints,
    ) -> NDArray[np.float32]:
        """Returns detected keypoints (N, K, 3), corrected against the source that they will move.

        For the frames of a session and its further sources, all with its first source; not for
        relative motion. Anchored keypoints are returned unchanged.

        Args:
            images: (N, H, W, 3) uint8 RGB, at least one.
            keypoints: (N, K, 3) float32, as `detect` found them.
            source_image: (H, W, 3) uint8 RGB.
            source_keypoints: (K, 3) float32, as `detect` found them.

        Raises:
            InvalidRequestError: There is no registration model, or an argument has another shape
                or type.
        """
        return self._registered().register(images, keypoints, source_image, source_keypoints)

    @overload
    def observed(
        self,
        frames: Iterable[Pixels | None],
        observed: int,
        predicted: int,
        *,
        source: Pixels | None = None,
    ) -> Iterator[Keypoints | None]: ...

    @overload
    def observed(
        self,
        frames: Iterable[Pixels | None],
        observed: int,
        predicted: int,
        framing: DeviceFraming,
        *,
        source: Pixels | None = None,
    ) -> Iterator[FramedKeypoints | None]: ...

    def observed(
        self,
        frames: Iterable[Pixels | None],
        observed: int,
        predicted: int,
        framing: DeviceFraming | None = None,
        *,
        source: Pixels | None = None,
    ) -> Iterator[Keypoints | FramedKeypoints | None]:
        """Yields keypoints (K, 3) for the frames that the pattern sends, None for all others.

        Args:
            frames: Every frame, of the model's size; with a framing, of any single size.
            observed, predicted: M and N.
            framing: Crops the frames first; the crop then accompanies the keypoints.
            source: (H, W, 3) of the model's size, the session's first source: the keypoints are
                registered with it. None, and for relative motion: they are as found.

        Raises:
            InvalidRequestError: A source is given, but there is no registration model; or an image
                does not have the model's size or is not uint8.
        """
        register = None if source is None else self._registering(source)
        return self._each(frames, observed, predicted, framing, register)

    def _each(
        self,
        frames: Iterable[Pixels | None],
        observed: int,
        predicted: int,
        framing: DeviceFraming | None,
        register: Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]] | None,
    ) -> Iterator[Keypoints | FramedKeypoints | None]:
        for index, frame in enumerate(frames):
            if frame is None or not is_observed(index, observed, predicted):
                yield None
                continue
            framed = None if framing is None else framing.frame(index, frame)
            images = (frame if framed is None else framed.image)[np.newaxis]
            found = self.detect(images)
            keypoints = (found if register is None else register(images, found))[0]
            yield keypoints if framed is None else FramedKeypoints(keypoints, framed.crop)

    def _registering(
        self, source: Pixels
    ) -> Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]:
        """Returns a function that registers images and their keypoints with a source."""
        registration = self._registered()
        image = of_shape("source", source, (self.height, self.width, 3), np.uint8)
        keypoints = self.detect(image[np.newaxis])[0]
        return lambda images, found: registration.register(images, found, image, keypoints)

    def _registered(self) -> Registration:
        if self._registration is None:
            problem = "the detector was opened without a registration model"
            raise InvalidRequestError.of("source", problem)
        return self._registration
