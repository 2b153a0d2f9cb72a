"""The synthesis network: a source and T driving keypoint sets -> T images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from motioncast.inference import MeasuredEngine, ModelSet
from motioncast.serving import Deadline
from motioncast.wire.images import Pixels
from motioncast.wire.keypoints import Keypoints

# A run holds the feature maps of all its frames, so memory is bounded by frames per run. One run
# encodes the source once: for 32 frames that is already next to nothing per frame.
MAX_FRAMES_PER_RUN: Final = 32


@dataclass(frozen=True, slots=True)
class Source:
    """What is animated.

    Attributes:
        image: (H, W, 3).
        keypoints: (K, 3), of that image.
    """

    image: Pixels
    keypoints: Keypoints


@dataclass(frozen=True, slots=True)
class Synthesis:
    """What was made.

    Attributes:
        images: (T, H, W, 3).
        seconds: That the model ran.
    """

    images: Pixels
    seconds: float


class Synthesizer:
    """Makes images with the models of an engine."""

    def __init__(self, engine: MeasuredEngine) -> None:
        self._engine = engine

    async def synthesize(
        self, models: ModelSet, source: Source, driving: Keypoints, deadline: Deadline
    ) -> Synthesis:
        """Returns the source moved to driving keypoints (T, K, 3), T >= 1.

        Raises:
            DeadlineError: Time ran out, before the first run or between two.
        """
        runs = [
            await self._engine.infer(
                models.synthesis_model,
                {
                    "source_image": source.image[np.newaxis],
                    "source_keypoints": source.keypoints[np.newaxis],
                    "driving_keypoints": driving[np.newaxis, start : start + MAX_FRAMES_PER_RUN],
                },
                deadline.remaining_seconds(),
            )
            for start in range(0, len(driving), MAX_FRAMES_PER_RUN)
        ]
        parts = [run["image"][0] for run in runs]
        return Synthesis(
            parts[0] if len(parts) == 1 else np.concatenate(parts),
            sum(run.seconds for run in runs),
        )
