"""Relative motion: the source moves as the driving video has moved since its first frame.

    keypoints(t) = source + driving(t) - driving(0), clipped to the range of keypoints

With several sources this applies to source 0; the others show the same person or scene and are
moved to the same keypoints.

(Monkey-Net's transfer mode.) The intensity moves by the same plain difference as x and y: a ratio
is undefined if the first frame's intensity is zero. With anchored keypoints, if both show a face,
it moves as in `face_motion`: the face keeps its shape, and its mouth opens as the driver's does.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from motioncast.timeline.face_motion import ANCHORED, face_motion, shows_face
from motioncast.timeline.origin import Origin
from motioncast.timeline.ranges import clip_keypoints


def relative_motion(
    source: NDArray[np.float32], driving: NDArray[np.float32], reference: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Returns the source (K, 3), moved by the change from reference (K, 3) to driving (..., K, 3).

    Added in this order everywhere, so that a session and its evaluation round identically.
    """
    return clip_keypoints(driving + (source - reference))


class RelativeMotion:
    """Moves a source by the motion of a driving video since its first observed frame.

    Args:
        reference: That frame's keypoints, (K, 3), if the timeline is resumed; None otherwise.
        anchored: How many of the keypoints, the first ones, mark fixed points of a face.
    """

    def __init__(self, reference: NDArray[np.float32] | None = None, *, anchored: int = 0) -> None:
        self._reference = reference  # driving(0), (K, 3)
        self._of_faces = anchored == ANCHORED

    @property
    def reference(self) -> NDArray[np.float32] | None:
        """The keypoints (K, 3) of the first observed frame; None before it."""
        return self._reference

    def move(
        self, source: NDArray[np.float32], driving: NDArray[np.float32], *, observed: bool
    ) -> NDArray[np.float32]:
        """Returns the source's keypoints (K, 3) moved by the next driving frame (K, 3).

        Before the first observed frame there is no motion: the source stays in place.
        """
        if self._reference is None:
            if not observed:
                return source
            self._reference = driving.copy()
        if self._of_faces and all(map(shows_face, (source, driving, self._reference))):
            return face_motion(source, driving, self._reference)
        return relative_motion(source, driving, self._reference)

    def move_all(
        self,
        source: NDArray[np.float32],
        driving: NDArray[np.float32],
        origins: Iterable[Origin],
    ) -> NDArray[np.float32]:
        """Returns the source's keypoints moved by the next driving frames, one after another.

        Args:
            source: (K, 3).
            driving: (T, K, 3), T >= 1.
            origins: Origins of the T frames.
        """
        return np.stack(
            [
                self.move(source, one, observed=origin is Origin.OBSERVED)
                for one, origin in zip(driving, origins, strict=True)
            ]
        )
