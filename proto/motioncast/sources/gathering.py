"""Sources gathered from a video as it goes: a frame that no source shows well becomes one itself.

Nothing is known of the frames to come. The first frame is source 0; a later one becomes the next
source when what the best of the sources costs (`costs`) exceeds a threshold, and some frames after
the last one, until there are as many as wanted. They are never exchanged: what has been sent once
has been paid for.
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
        InvalidInputError: There are to be none, or more than MAX_SOURCES.
    """

    sources: int = MAX_SOURCES  # that are gathered at most
    threshold: float = 0.02  # of cost, in keypoint units: 1.3 pixels at 128 x 128
    rest_frames: int = 12  # from one to the next: half a second

    def __post_init__(self) -> None:
        if not 1 <= self.sources <= MAX_SOURCES:
            raise InvalidInputError.of(
                "sources", f"{self.sources} is out of range [1, {MAX_SOURCES}]"
            )


DEFAULT_SETTINGS: Final = GatherSettings()


class Gathering:
    """The sources of one video, which is seen frame by frame.

    Args:
        weights: Of the keypoints; empty when all weigh the same.
        settings: When a frame becomes a source.

    Attributes:
        sources: The keypoints (K, 3) of those there are, in the order of their indices.
    """

    def __init__(
        self, weights: Sequence[float] = (), settings: GatherSettings = DEFAULT_SETTINGS
    ) -> None:
        self._weights = weights
        self._settings = settings
        self._latest = 0  # frame that became one
        self.sources: list[Keypoints] = []

    def see(self, frame: int, keypoints: Keypoints) -> int | None:
        """Returns the index of the source that a frame becomes, if any.

        Args:
            frame: Its own index on the timeline; of the frames that are sent, in their order.
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
