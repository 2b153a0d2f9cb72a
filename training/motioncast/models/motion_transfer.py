"""Keypoint detector and synthesis network together: the contents of a stage 1 checkpoint."""

from collections.abc import Callable
from typing import Final

from torch import Tensor, nn

from motioncast.models.configurations import Architecture, Configuration
from motioncast.models.face.detector import FaceDetector
from motioncast.models.face.registration import Registration
from motioncast.models.face.synthesis import FaceSynthesis
from motioncast.models.generator import Generator
from motioncast.models.keypoint_detector import KeypointDetector
from motioncast.models.lite.detector import LiteKeypointDetector
from motioncast.models.lite.synthesis import LiteSynthesis
from motioncast.models.synthesis import SynthesisNetwork

# Detector and synthesis network classes of each architecture.
NETWORKS: Final[
    dict[
        Architecture,
        tuple[Callable[[Configuration], nn.Module], Callable[[Configuration], SynthesisNetwork]],
    ]
] = {
    "monkey_net": (KeypointDetector, Generator),
    "lite": (LiteKeypointDetector, LiteSynthesis),
    "face": (FaceDetector, FaceSynthesis),
}


class MotionTransfer(nn.Module):
    """The networks of one configuration, trained together without labels."""

    detector: nn.Module
    synthesis: SynthesisNetwork

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.configuration = configuration
        detector, synthesis = NETWORKS[configuration.architecture]
        self.detector = detector(configuration)
        self.synthesis = synthesis(configuration)

    def detect(self, images: Tensor) -> Tensor:
        """Returns the keypoints (N, K, 3) of images (N, 3, S, S) in [0, 1]."""
        keypoints: Tensor = self.detector(images)
        return keypoints

    def register(
        self, source: Tensor, source_keypoints: Tensor, images: Tensor, found: Tensor
    ) -> Tensor:
        """Returns the keypoints (B, T, K, 3) of frames, corrected against their sources.

        Networks without registration return `found`, the keypoints found in the frames alone.
        Sources are (B, 3, S, S), their keypoints (B, K, 3), the frames (B * T, 3, S, S).
        """
        if not isinstance(self.synthesis, FaceSynthesis):
            return found
        register = Registration(self.synthesis).to(found.device)
        registered: Tensor = register(source, source_keypoints, images, found)
        return registered

    def synthesise(self, source: Tensor, source_keypoints: Tensor, driving: Tensor) -> Tensor:
        """Returns images (B, T, 3, S, S) for driving keypoints (B, T, K, 3)."""
        images: Tensor = self.synthesis(source, source_keypoints, driving)
        return images
