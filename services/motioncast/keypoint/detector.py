"""The keypoint detector: images -> keypoints, all images of a call in one run."""

from __future__ import annotations

from dataclasses import dataclass

from motioncast.inference import MeasuredEngine, ModelSet
from motioncast.serving import Deadline
from motioncast.wire.images import Pixels
from motioncast.wire.keypoints import Keypoints


@dataclass(frozen=True, slots=True)
class Detection:
    """The detector's output.

    Attributes:
        keypoints: (N, K, 3), x and y in [-1, 1], intensity in [0, 1].
        seconds: Duration of the model's run.
    """

    keypoints: Keypoints
    seconds: float


class Detector:
    """Finds keypoints with the models of an engine."""

    def __init__(self, engine: MeasuredEngine) -> None:
        self._engine = engine

    async def detect(self, models: ModelSet, images: Pixels, deadline: Deadline) -> Detection:
        """Returns the keypoints of images (N, H, W, 3); DeadlineError when time runs out."""
        run = await self._engine.infer(
            models.keypoint_model, {"image": images}, deadline.remaining_seconds()
        )
        return Detection(run["keypoints"], run.seconds)
