"""Keypoints of one session's pictures: found in each alone, then registered with its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from motioncast.client import Keypoints, Pixels


class Detector(Protocol):
    """Detects keypoints on this side."""

    @property
    def registers(self) -> bool:
        """Whether it can register what it detects with a source."""

    def detect(self, images: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Returns the keypoints (B, K, 3) of images (B, H, W, 3), found in each alone."""

    def register(
        self,
        images: NDArray[np.uint8],
        keypoints: NDArray[np.float32],
        source_image: Pixels,
        source_keypoints: Keypoints,
        /,
    ) -> NDArray[np.float32]:
        """Returns the keypoints (B, K, 3) that best move the source to images (B, H, W, 3)."""


class SessionDetector:
    """Detects the keypoints that one session sends.

    If the detector registers, all keypoints refer to the session's first source.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._first: tuple[Pixels, Keypoints] | None = None

    def sources(self, images: Sequence[Pixels]) -> list[Keypoints]:
        """Returns the keypoints (K, 3) of the images (H, W, 3) that the session begins with.

        Those of the first are found in it alone, those of the others are registered with it.
        """
        found = self._detector.detect(np.stack(images))
        self._first = images[0], found[0]
        if len(images) > 1 and self._detector.registers:
            found[1:] = self._detector.register(np.stack(images[1:]), found[1:], *self._first)
        return list(found)

    def frame(self, image: Pixels) -> Keypoints:
        """Returns the keypoints (K, 3) of a frame (H, W, 3); `sources` must have been called."""
        found = self._detector.detect(image[np.newaxis])
        if self._first is not None and self._detector.registers:
            found = self._detector.register(image[np.newaxis], found, *self._first)
        keypoints: Keypoints = found[0]
        return keypoints
