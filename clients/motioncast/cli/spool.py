"""Stores frames in a file, so that memory use does not depend on the length of a video."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray


class Spool:
    """A sequence of images (H, W, 3) uint8 of one size, in a file that the caller removes.

    Args:
        path: The file to write.
        height: H in pixels.
        width: W in pixels.
    """

    def __init__(self, path: Path, height: int, width: int) -> None:
        self._path = path
        self._shape: Final = (height, width, 3)
        self._length = 0
        path.touch()

    def append(self, image: NDArray[np.uint8]) -> None:
        """Appends an image; ValueError if it does not have the spool's size."""
        if image.shape != self._shape:
            raise ValueError(f"shape {image.shape}, but the spool holds {self._shape}")
        with self._path.open("ab") as file:
            file.write(image.tobytes())
        self._length += 1

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        if not 0 <= index < self._length:
            raise IndexError(index)
        size = int(np.prod(self._shape))
        return np.fromfile(self._path, np.uint8, size, offset=index * size).reshape(self._shape)
