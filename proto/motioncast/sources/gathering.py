"""Gathers sources from a running video: a frame that no source shows well becomes one itself.

Nothing is known about future frames. The first frame is source 0; a later one becomes the next
source when the cost of the best source (`costs`) exceeds a threshold and some frames have passed
since the last one, until there are enough. Sources are never replaced: their bytes have already
been spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from motioncast.sources.choice import MAX_SOURCES, costs
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.keypoints import Keypoints


@dataclass(frozen=True, slots=True)
class GatherSettings:
    """When a frame becomes a source.

    Raises:
        InvalidInputError: The number of sources is 0, or exceeds MAX_SOURCES.
    """

    sources: int = MAX_SOURCES  # maximum number of sources
    threshold: float = 0.02  # of the cost, in keypoint units: 1.3 pixels at 128 x 128
    rest_frames: int = 12  # minimum interval between sources: half a second

    def __post_init__(self) -> None:
        if not 1 <= self.sources <= MAX_SOURCES:
            raise InvalidInputError.of(
                "sources", f"{self.sources} is out of range [1, {MAX_SOURCES}]"
            )


DEFAULT_SETTINGS: Final = GatherSettings()


class Gathering:
    """The sources of one video that is processed frame by frame.

    Args:
        weights: Weights of the keypoints; empty if all are equal.
        settings: When a frame becomes a source.

    Attributes:
        sources: The keypoints (K, 3) of the sources so far, in the order of their indices.
    """

    def __init__(
        self, weights: Sequence[float] = (), settings: GatherSettings = DEFAULT_SETTINGS
    ) -> None:
        self._weights = weights
        self._settings = settings
        self._latest = 0  # the last frame that became a source
        self.sources: list[Keypoints] = []

    def see(self, frame: int, keypoints: Keypoints) -> int | None:
        """Returns the index of the source that a frame becomes; None if it does not.

        Args:
            frame: Its index on the timeline; only frames that are sent, in order.
            keypoints: (K, 3).
        """
        if self.sources:
            if len(self.sources) >= self._settings.sources:
                return None
            if frame - self._latest < self._settings.rest_frames:
                return None
            prices = costs(np.stack(self.sources), keypoints[np.newaxis], self._weights)
            if prices.min() <= self._settings.threshold:
                return None
        self._latest = frame
        self.sources.append(keypoints)
        return len(self.sources) - 1
