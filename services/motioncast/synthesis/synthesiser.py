"""The synthesis network: sources, T driving keypoint sets and the source of each -> T images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from motioncast.inference import MeasuredEngine, ModelSet
from motioncast.serving import Deadline
from motioncast.sources import frames_by_source, in_order
from motioncast.wire.images import Pixels
from motioncast.wire.keypoints import Keypoints

# A run holds the feature maps of all its frames, so limiting frames per run limits memory. A run
# encodes the source once, which is next to nothing per frame for 32 frames.
MAX_FRAMES_PER_RUN: Final = 32


@dataclass(frozen=True, slots=True)
class Source:
    """A source to animate.

    Attributes:
        image: (H, W, 3).
        keypoints: (K, 3), of that image.
    """

    image: Pixels
    keypoints: Keypoints


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The synthesised images.

    Attributes:
        images: (T, H, W, 3).
        seconds: Duration of the model's runs.
    """

    images: Pixels
    seconds: float


class Synthesiser:
    """Makes images with the models of an engine."""

    def __init__(self, engine: MeasuredEngine) -> None:
        self._engine = engine

    async def synthesise(
        self,
        models: ModelSet,
        sources: Sequence[Source],
        positions: Sequence[int],
        driving: Keypoints,
        deadline: Deadline,
    ) -> Synthesis:
        """Returns images of the sources, animated with driving keypoints.

        A run has one source: the frames of each source are made together, then put back in order.

        Args:
            models: The model configuration.
            sources: At least one.
            positions: (T,), position of each frame's source in `sources`.
            driving: (T, K, 3), T >= 1.
            deadline: Deadline of the call.

        Raises:
            DeadlineError: Time ran out, before the first run or between two.
        """
        parts, seconds = [], 0.0
        frames = frames_by_source(positions)
        for position, places in frames.items():
            source = sources[position]
            for start in range(0, len(places), MAX_FRAMES_PER_RUN):
                part = driving[places[start : start + MAX_FRAMES_PER_RUN]]
                run = await self._engine.infer(
                    models.synthesis_model,
                    {
                        "source_image": source.image[np.newaxis],
                        "source_keypoints": source.keypoints[np.newaxis],
                        "driving_keypoints": part[np.newaxis],
                    },
                    deadline.remaining_seconds(),
                )
                parts.append(run["image"][0])
                seconds += run.seconds
        return Synthesis(in_order(parts, frames), seconds)
