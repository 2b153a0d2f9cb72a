"""Training of the lite networks: reconstruction from unlabelled pairs of frames.

The driving frame is rebuilt from the source frame and the keypoints of both; further terms make the
keypoints move with the image, keep them apart and draw them to moving parts.
"""

import math
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from motioncast.data.augmentation import random_affine, transform
from motioncast.data.pairs import Batch
from motioncast.models import losses
from motioncast.models.geometry import gaussians, pixel_centres
from motioncast.train.settings import Precision, TrainingSettings
from motioncast.train.state import SynthesisTraining, channels_last

LARGEST_SCALING = 0.3  # of the transformed pictures for the equivariance loss
LOST_OF_A_SAMPLE = 1 / 8


class Reconstruction(NamedTuple):
    """Rebuilt driving frames and their loss terms."""

    image: Tensor  # (B, 3, S, S)
    keypoints: Tensor  # (B, K, 3) of the driving frames
    weights: Tensor  # (B, 1, S, S) high where the picture moves
    terms: dict[str, Tensor]


class ReconstructionTraining(SynthesisTraining):
    """Minimises pixel, gradient and keypoint losses; the learning rate follows a cosine."""

    settings: TrainingSettings
    precision_on_cpu: ClassVar[Precision] = "bfloat16"

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return self.reconstruct(batch).terms

    def reconstruct(self, batch: Batch) -> Reconstruction:
        """Rebuilds the driving frames from the source frames and the keypoints of both."""
        settings = self.settings
        source, driving = channels_last(batch.source), channels_last(batch.driving)
        weights = losses.motion_weights(driving, batch.neighbour, settings.motion_emphasis)
        terms: dict[str, Tensor] = {}
        random = np.random.default_rng([settings.seed, self.step, 1 + self.processes.rank])
        with self.stepper.autocast():
            if self.frozen:
                with torch.no_grad():
                    keypoints = self.model.detect(torch.cat([source, driving]))
            else:
                keypoints = self._detect_with_losses(source, driving, weights, random, terms)
            of_source, of_driving = keypoints.chunk(2)
            given = lose_some(of_driving, settings.lost_keypoints, random)
            synthesis = self.model.synthesis
            output = synthesis.decode(synthesis.encode(source), of_source, given.unsqueeze(1))
        image, warped = output.image.float(), output.warped.float()
        terms["pixels"] = settings.pixel_weight * losses.weighted_l1(image, driving, weights)
        terms["decibels"] = settings.decibel_weight * losses.decibels(image, driving, weights)
        terms["gradient"] = settings.gradient_weight * losses.gradient_l1(image, driving)
        terms["warped"] = settings.warped_weight * losses.weighted_l1(warped, driving, weights)
        return Reconstruction(image, of_driving, weights, terms)

    def learning_rate(self) -> float:
        settings = self.settings
        cosine = 0.5 * (1 + math.cos(math.pi * min(self.progress(), 1.0)))
        span = settings.learning_rate - settings.final_learning_rate
        warmup = min(1.0, (self.step + 1) / settings.warmup_steps)
        return warmup * (settings.final_learning_rate + span * cosine)

    def _detect_with_losses(
        self,
        source: Tensor,
        driving: Tensor,
        weights: Tensor,
        random: np.random.Generator,
        terms: dict[str, Tensor],
    ) -> Tensor:
        """Returns the keypoints of source and driving frames (2 B, K, 3) and adds their losses."""
        settings, count = self.settings, len(driving)
        some = (count + 1) // 2  # half of the batch suffices for equivariance
        affine = random_affine(some, random, scale=LARGEST_SCALING).to(driving.device)
        moved = channels_last(transform(driving[:some], affine))
        found = self.model.detect(torch.cat([source, driving, moved]))
        keypoints, again = found[: 2 * count], found[2 * count :]
        of_driving = keypoints[count:]
        terms["equivariance"] = settings.equivariance_weight * losses.equivariance(
            of_driving[:some].detach(), again, affine
        )
        terms["separation"] = settings.separation_weight * losses.separation(of_driving)
        configuration = self.model.configuration
        centres = pixel_centres(configuration.image_size // 4).to(driving.device)
        heatmaps = gaussians(of_driving, centres, configuration.gaussian_variance)
        terms["coverage"] = settings.coverage_weight * losses.coverage(heatmaps, weights)
        return keypoints


def lose_some(keypoints: Tensor, share: float, random: np.random.Generator) -> Tensor:
    """Returns keypoints (B, K, 3), with some moved to random positions in a share of the samples.

    This simulates a detector that takes the shoulder of an unfamiliar person for a chin; the
    synthesis should then rely on the other keypoints. One keypoint in eight is moved.
    """
    batch, count = keypoints.shape[:2]
    lost = (random.random((batch, 1)) < share) & (random.random((batch, count)) < LOST_OF_A_SAMPLE)
    anywhere = torch.from_numpy(random.uniform(-1, 1, (batch, count, 2))).to(keypoints)
    moved = torch.cat([anywhere, keypoints[..., 2:]], dim=-1)
    return torch.where(torch.from_numpy(lost).to(keypoints.device)[..., None], moved, keypoints)
