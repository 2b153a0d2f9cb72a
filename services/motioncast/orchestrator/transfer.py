"""Relative motion: the source moves as the driving video has moved since its first frame.

    keypoints(t) = source + driving(t) - driving(0), cut to the range of keypoints

(Monkey-Net's transfer mode.) The intensity moves by the same plain difference as x and y: a ratio
has no meaning where the first frame's intensity is zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from motioncast.orchestrator.timeline import Origin
from motioncast.v1.common_pb2 import KeypointSet
from motioncast.wire.keypoints import Keypoints, decode_keypoints, encode_keypoints

_LOW: Final = np.array([-1, -1, 0], dtype=np.float32)
_HIGH: Final = np.array([1, 1, 1], dtype=np.float32)


class RelativeMotion:
    """Moves a source by the motion of a driving video since its first observed frame."""

    def __init__(self, source: KeypointSet) -> None:
        self._count = len(source.x)
        self._source = self._decode(source)
        self._offset: Keypoints | None = None  # source - driving(0), (K, 3)

    def move(self, driving: KeypointSet, *, observed: bool) -> KeypointSet:
        """Returns the source's keypoints as the next driving frame moves them.

        Before the first observed frame there is no motion: the source stays where it is.
        """
        keypoints = self._decode(driving)
        if self._offset is None:
            if not observed:
                return encode_keypoints(self._source)
            self._offset = self._source - keypoints
        return encode_keypoints(np.clip(keypoints + self._offset, _LOW, _HIGH))

    def move_all(
        self, driving: Iterable[KeypointSet], origins: Iterable[Origin]
    ) -> list[KeypointSet]:
        """Returns the source's keypoints as the next driving frames move them, in turn."""
        return [
            self.move(one, observed=origin is Origin.OBSERVED)
            for one, origin in zip(driving, origins, strict=True)
        ]

    def _decode(self, message: KeypointSet) -> Keypoints:
        return decode_keypoints(message, self._count)
