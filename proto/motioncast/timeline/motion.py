"""Relative motion: the source moves as the driving video has moved since its first frame.

    keypoints(t) = source + driving(t) - driving(0), cut to the range of keypoints

With several sources that is source 0; the others show the same person or scene and are moved to the
same keypoints.

(Monkey-Net's transfer mode.) The intensity moves by the same plain difference as x and y: a ratio
has no meaning where the first frame's intensity is zero. Where keypoints are anchored and both show
a face, it moves as `face_motion` has it: it keeps its shape, and its mouth opens as the driver's.
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
    """Returns the source (K, 3) as driving (..., K, 3) moves it away from reference (K, 3).

    Summed in this order everywhere, so that a session and its evaluation round alike.
    """
    return clip_keypoints(driving + (source - reference))


class RelativeMotion:
    """Moves a source by the motion of a driving video since its first observed frame.

    Args:
        reference: That frame's keypoints, (K, 3), for a timeline that is gone on with; None before.
        anchored: How many of the K keypoints, the first ones, are the same points of every face.
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
        """Returns the source's keypoints (K, 3) as the next driving frame (K, 3) moves them.

        Before the first observed frame there is no motion: the source stays where it is.
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
        """Returns the source's keypoints as the next driving frames move them, in turn.

        Args:
            source: (K, 3).
            driving: (T, K, 3), T >= 1.
            origins: T, of the frames.
        """
        return np.stack(
            [
                self.move(source, one, observed=origin is Origin.OBSERVED)
                for one, origin in zip(driving, origins, strict=True)
            ]
        )
