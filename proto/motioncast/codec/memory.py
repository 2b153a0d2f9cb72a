"""The frames and sources that packets can refer to, the same at both ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from motioncast.codec.lattice import Lattice, to_lattice
from motioncast.codec.packet import (
    MAX_DISTANCE,
    MAX_SOURCES,
    FrameReference,
    Reference,
)

_KEPT = MAX_DISTANCE + 8  # frames kept, counted back from the newest


class Memory:
    """Frames by index, up to 260 back from the newest one, and up to four sources."""

    def __init__(self, keypoints: int, newest: int = 0) -> None:
        self._keypoints = keypoints
        self._frames: dict[int, NDArray[np.int16]] = {}
        self._sources: dict[int, Lattice] = {}
        self.newest = newest

    def __contains__(self, index: int) -> bool:
        return index in self._frames

    def set_source(self, source: int, keypoints: NDArray[np.float32]) -> None:
        """Stores the keypoints (K, 3) of a source; ValueError if they do not fit the model."""
        if not 0 <= source < MAX_SOURCES:
            raise ValueError(f"source: {source} is not 0 to {MAX_SOURCES - 1}")
        self._sources[source] = self.points(keypoints)

    def points(self, keypoints: NDArray[np.float32]) -> Lattice:
        """Returns keypoints (K, 3) on the lattice; ValueError if they do not fit the model."""
        if np.shape(keypoints) != (self._keypoints, 3):
            raise ValueError(
                f"keypoints: shape {np.shape(keypoints)}, expected ({self._keypoints}, 3)"
            )
        return to_lattice(keypoints)

    def find(self, reference: Reference) -> Lattice | None:
        """Returns the points (3K,) of a frame or source; None if it is not stored."""
        if isinstance(reference, FrameReference):
            found = self._frames.get(reference.index)
            return None if found is None else found.astype(np.int64)
        return self._sources.get(reference.source)

    def keep(self, index: int, points: Lattice) -> None:
        """Stores a frame, unless it is known or too old, and drops frames that became too old."""
        if index in self._frames or index < self.newest - _KEPT:
            return
        self._frames[index] = points.astype(np.int16)
        if index > self.newest:
            self.newest = index
            for old in [one for one in self._frames if one < index - _KEPT]:
                del self._frames[old]
