"""What each keypoint weighs when the source of a frame is chosen (`motioncast.sources`)."""

from motioncast.models.configurations import Configuration
from motioncast.models.face.keypoints import ANCHORED, GROUPS

# Lips and lids are what people look at, and what one source image lacks: teeth, closed eyes.
_FACE = {"outer lips": 2.0, "inner lips": 3.0, "left eye": 2.0, "right eye": 2.0}
_UNSUPERVISED = 0.25  # hair, shoulders and hands


def source_weights(configuration: Configuration) -> tuple[float, ...]:
    """Returns the weights of the K keypoints; empty when all weigh the same."""
    if configuration.architecture != "face":
        return ()
    anchored = [_FACE.get(group.name, 1.0) for group in GROUPS for _ in range(group.size)]
    return (*anchored, *[_UNSUPERVISED] * (configuration.keypoints - ANCHORED))
