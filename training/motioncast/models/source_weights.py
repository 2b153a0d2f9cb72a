"""The weight of each keypoint when choosing a frame's source image (`motioncast.sources`)."""

from motioncast.models.configurations import Configuration
from motioncast.models.face.keypoints import ANCHORED, GROUPS

# Viewers look at lips and eyelids, and a single source image lacks them: teeth, closed eyes.
_FACE = {"outer lips": 2.0, "inner lips": 3.0, "left eye": 2.0, "right eye": 2.0}
_UNSUPERVISED = 0.25  # hair, shoulders and hands


def source_weights(configuration: Configuration) -> tuple[float, ...]:
    """Returns the weights of the K keypoints; empty when all are equal."""
    if configuration.architecture != "face":
        return ()
    anchored = [_FACE.get(group.name, 1.0) for group in GROUPS for _ in range(group.size)]
    return (*anchored, *[_UNSUPERVISED] * (configuration.keypoints - ANCHORED))
