"""The keypoint detector of the face configurations: anchored keypoints, then unsupervised ones."""

import torch
from torch import Tensor, nn

from motioncast.models.configurations import Configuration
from motioncast.models.face.anchored import AnchoredDetector
from motioncast.models.face.unsupervised import UnsupervisedDetector


class FaceDetector(nn.Module):
    """Maps framed images (N, 3, S, S) in [0, 1] to keypoints (N, K, 3)."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.anchored = AnchoredDetector()
        self.unsupervised = UnsupervisedDetector(configuration)

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.anchored(images), self.unsupervised(images).float()], dim=1)
