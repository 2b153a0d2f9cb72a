"""The networks as served: RGB images as bytes, in and out, channels last.

Shapes: B batch, T time, K keypoints, S image side, Z latent.
"""

from torch import Tensor, nn

from motioncast.models.predictors.recurrent import RecurrentPredictor
from motioncast.models.synthesis import SynthesisNetwork


class ServedDetector(nn.Module):
    """Images uint8 (B, S, S, 3) -> keypoints (B, K, 3)."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor) -> Tensor:
        keypoints: Tensor = self.detector(unit_range(image))
        return keypoints


class ServedSynthesis(nn.Module):
    """Source image, its keypoints (B, K, 3), driving (B, T, K, 3) -> uint8 (B, T, S, S, 3)."""

    def __init__(self, synthesis: SynthesisNetwork) -> None:
        super().__init__()
        self.synthesis = synthesis

    def forward(
        self, source_image: Tensor, source_keypoints: Tensor, driving_keypoints: Tensor
    ) -> Tensor:
        images = self.synthesis(unit_range(source_image), source_keypoints, driving_keypoints)
        return levels(images)  # (B, T, S, S, 3)


class ServedRegistration(nn.Module):
    """Source (1, S, S, 3), its keypoints (1, K, 3), images (N, S, S, 3), theirs -> (N, K, 3)."""

    def __init__(self, registration: nn.Module) -> None:
        super().__init__()
        self.registration = registration

    def forward(
        self, source_image: Tensor, source_keypoints: Tensor, image: Tensor, keypoints: Tensor
    ) -> Tensor:
        registered: Tensor = self.registration(
            unit_range(source_image), source_keypoints, unit_range(image), keypoints.unsqueeze(0)
        )
        return registered.squeeze(0)


class ServedPredictor(nn.Module):
    """Keypoints, observed, noise, state -> forecast, half_width90 (B, T, K, 3), next state."""

    def __init__(self, predictor: RecurrentPredictor) -> None:
        super().__init__()
        self.predictor = predictor

    def forward(
        self, keypoints: Tensor, observed: Tensor, noise: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        run = self.predictor.unroll(keypoints, observed, noise, state)
        return run.forecast, self.predictor.half_width90(run.states), run.next_state


class ServedStep(nn.Module):
    """One step of the served predictor; `rollout` runs it over the time axis."""

    def __init__(self, predictor: RecurrentPredictor) -> None:
        super().__init__()
        self.predictor = predictor

    def forward(
        self, keypoints: Tensor, observed: Tensor, noise: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        forecast, next_state = self.predictor.step(keypoints, observed, noise, state)
        return forecast, self.predictor.half_width90(state), next_state


def unit_range(image: Tensor) -> Tensor:
    """Maps levels 0..255, (B, S, S, 3), to [0, 1], (B, 3, S, S)."""
    return image.permute(0, 3, 1, 2).float() / 255


def levels(images: Tensor) -> Tensor:
    """Maps [0, 1], (B, T, 3, S, S), to the nearest of the levels 0..255, (B, T, S, S, 3)."""
    rounded = (images * 255).clamp(0, 255).round().byte()
    return rounded.permute(0, 1, 3, 4, 2)
