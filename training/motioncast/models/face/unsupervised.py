"""The unsupervised keypoints of a face configuration, found in the image at 64x64.

As in the paper, their positions are not labelled: they settle where they best explain the motion of
hair, shoulders and hands. That motion is large and smooth, so low resolution is enough.
"""

from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.configurations import Configuration
from motioncast.models.face.keypoints import ANCHORED
from motioncast.models.lite.detector import LiteKeypointDetector

LOOKED_AT = 64
TEMPERATURE = 0.3  # softer, as a heatmap cell is 16 pixels of 256: positions lie between cells


class UnsupervisedDetector(nn.Module):
    """Maps images (N, 3, S, S) in [0, 1] to keypoints (N, K - 70, 3)."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.reduce = configuration.image_size // LOOKED_AT
        small = replace(
            configuration,
            image_size=LOOKED_AT,
            keypoints=configuration.keypoints - ANCHORED,
            detector_blocks=(1, 1, 2),
            softmax_temperature=TEMPERATURE,
        )
        self.detector = LiteKeypointDetector(small)

    def forward(self, images: Tensor) -> Tensor:
        keypoints: Tensor = self.detector(functional.avg_pool2d(images, self.reduce))
        return keypoints
