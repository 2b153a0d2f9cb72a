"""Relative motion: the source moves as the driving video has moved since its first frame.

    keypoints(t) = source + driving(t) - driving(0), cut to the range of keypoints

With several sources that is source 0; the others show the same person or scene and are moved to the
same keypoints.

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

    def __init__(self) -> None:
        self._reference: Keypoints | None = None  # driving(0), (K, 3)

    def move(self, source: KeypointSet, driving: KeypointSet, *, observed: bool) -> KeypointSet:
        """Returns the source's keypoints as the next driving frame moves them.

        Before the first observed frame there is no motion: the source stays where it is.
        """
        count = len(source.x)
        rest, keypoints = decode_keypoints(source, count), decode_keypoints(driving, count)
        if self._reference is None:
            if not observed:
                return encode_keypoints(rest)
            self._reference = keypoints
        return encode_keypoints(np.clip(keypoints + (rest - self._reference), _LOW, _HIGH))

    def move_all(
        self, source: KeypointSet, driving: Iterable[KeypointSet], origins: Iterable[Origin]
    ) -> list[KeypointSet]:
        """Returns the source's keypoints as the next driving frames move them, in turn."""
        return [
            self.move(source, one, observed=origin is Origin.OBSERVED)
            for one, origin in zip(driving, origins, strict=True)
        ]
