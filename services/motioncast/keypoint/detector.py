"""The keypoint detector: images -> keypoints, all images of a call in one run of each model.

    images -> keypoint model -> keypoints
    source, images, keypoints -> registration model -> keypoints

The second step is taken if there is a source to register the keypoints with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motioncast.inference import MeasuredEngine, ModelSet
from motioncast.inference.engine import Array
from motioncast.serving import Deadline
from motioncast.wire.images import Pixels
from motioncast.wire.keypoints import Keypoints


@dataclass(frozen=True, slots=True)
class Source:
    """What keypoints are registered with.

    Attributes:
        model: Name of the registration model.
        image: (H, W, 3).
        keypoints: (K, 3).
    """

    model: str
    image: Pixels
    keypoints: Keypoints


@dataclass(frozen=True, slots=True)
class Detection:
    """The detector's output.

    Attributes:
        keypoints: (N, K, 3), x and y in [-1, 1], intensity in [0, 1].
        seconds: Duration of the models' runs.
    """

    keypoints: Keypoints
    seconds: float


class Detector:
    """Finds keypoints with the models of an engine."""

    def __init__(self, engine: MeasuredEngine) -> None:
        self._engine = engine

    async def detect(
        self, models: ModelSet, images: Pixels, deadline: Deadline, source: Source | None = None
    ) -> Detection:
        """Returns the keypoints of images (N, H, W, 3); DeadlineError when time runs out."""
        run = await self._engine.infer(
            models.keypoint_model, {"image": images}, deadline.remaining_seconds()
        )
        found = Detection(run["keypoints"], run.seconds)
        return found if source is None else await self._registered(found, images, source, deadline)

    async def _registered(
        self, found: Detection, images: Pixels, source: Source, deadline: Deadline
    ) -> Detection:
        inputs: dict[str, Array] = {
            "source_image": source.image[np.newaxis],
            "source_keypoints": source.keypoints[np.newaxis],
            "image": images,
            "keypoints": found.keypoints,
        }
        run = await self._engine.infer(source.model, inputs, deadline.remaining_seconds())
        return Detection(run["registered"], found.seconds + run.seconds)
