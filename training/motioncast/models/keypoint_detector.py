"""Monkey-Net's keypoint detector: an hourglass at the image's resolution."""

from torch import Tensor, nn

from motioncast.models.blocks import Hourglass
from motioncast.models.configurations import Configuration
from motioncast.models.heatmaps import KeypointReadout


class KeypointDetector(nn.Module):
    """Maps images (N, 3, S, S) in [0, 1] to keypoints (N, K, 3)."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.hourglass = Hourglass(3, configuration.keypoints)
        self.readout = KeypointReadout(configuration.softmax_temperature)

    def forward(self, images: Tensor) -> Tensor:
        keypoints: Tensor = self.readout(self.hourglass(images).float())
        return keypoints
