"""Training of the face networks: a frame from another one and the keypoints of both.

The anchored keypoints come with the frames; the unsupervised ones are detected, and learn their
positions from the reconstruction.
"""

import copy
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.data.augmentation import random_affine, transform
from motioncast.data.faces import FaceBatch
from motioncast.models import losses
from motioncast.models.face.detector import FaceDetector
from motioncast.models.face.keypoints import ANCHORED, GROUPS, LOWER_LIP, MESH, UPPER_LIP
from motioncast.models.geometry import gaussians, pixel_centres
from motioncast.train.adversarial_fine_tuning import AdversarialFineTuning
from motioncast.train.face_landmarks import LandmarkLoss
from motioncast.train.reconstruction import (
    LARGEST_SCALING,
    Reconstruction,
    ReconstructionTraining,
)
from motioncast.train.settings import FaceAdversarialSettings, FaceSettings
from motioncast.train.state import channels_last

LOOKED_AT = {"outer lips", "inner lips", "left eye", "right eye", "left brow", "right brow"}
TEXTURE_PIXELS = 8
LIPS = [[MESH.index(point) for point in lip] for lip in (UPPER_LIP, LOWER_LIP)]
REGION_SPREAD = 0.07  # of the Gaussians that emphasise lips and eyes, in half sides
MOUTH_SPREAD = 0.07  # of the Gaussians between the lips, in half sides


class FaceTraining(ReconstructionTraining):
    """Minimises pixel, gradient and keypoint losses on pairs of frames with anchored keypoints."""

    settings: FaceSettings | FaceAdversarialSettings

    @cached_property
    def landmarks(self) -> LandmarkLoss:
        """The landmark loss, with the frozen mesh of the model's own detector."""
        detector = self.model.detector
        assert isinstance(detector, FaceDetector)
        return LandmarkLoss(copy.deepcopy(detector.anchored.mesh))

    def reconstruct(self, batch: FaceBatch) -> Reconstruction:  # type: ignore[override]
        """Rebuilds the driving frames from the source frames and the keypoints of both."""
        settings = self.settings
        source, driving = channels_last(batch.source), channels_last(batch.driving)
        terms: dict[str, Tensor] = {}
        random = np.random.default_rng([settings.seed, self.step, 1 + self.processes.rank])
        with self.stepper.autocast():
            unsupervised = self._unsupervised(source, driving, batch.driving_points, random, terms)
            of_source, of_driving = (
                torch.cat([anchored, found.float()], dim=1)
                for anchored, found in zip(
                    (batch.source_points, batch.driving_points), unsupervised, strict=True
                )
            )
            synthesis = self.model.synthesis
            of_driving = self._registered(source, driving, of_source, of_driving)
            output = synthesis.decode(synthesis.encode(source), of_source, of_driving.unsqueeze(1))
        image, warped = output.image.float(), output.warped.float()
        between = inside_mouth(batch.driving_points, driving.shape[-1])
        weights = 1 + settings.region_emphasis * looked_at(batch.driving_points, driving.shape[-1])
        weights = weights + settings.mouth_emphasis * between
        terms["pixels"] = settings.pixel_weight * losses.weighted_l1(image, driving, weights)
        terms["decibels"] = settings.decibel_weight * losses.decibels(image, driving, weights)
        terms["gradient"] = settings.gradient_weight * weighted_gradient(image, driving, weights)
        terms["warped"] = settings.warped_weight * losses.weighted_l1(warped, driving, weights)
        if settings.mouth_emphasis and output.painted is not None:
            emphasis = settings.mouth_emphasis * between
            painted = losses.weighted_l1(output.painted.float(), driving, emphasis)
            terms["painted"] = settings.pixel_weight * painted
        if settings.texture_weight:
            texture = texture_l1(image, driving, weights * (1 - between))
            terms["texture"] = settings.texture_weight * texture
        if settings.landmark_weight:
            apart = self.landmarks(image, driving, batch.driving_points)
            terms["landmarks"] = settings.landmark_weight * apart
        return Reconstruction(image, of_driving, weights, terms)

    @torch.no_grad()
    def _registered(
        self, source: Tensor, driving: Tensor, of_source: Tensor, found: Tensor
    ) -> Tensor:
        """Returns the driving keypoints, three in four of the batch registered with the source.

        The others stay as found, as receivers also get those from senders that do not register.
        """
        some = (3 * len(found) + 3) // 4
        pairs = source[:some], of_source[:some], driving[:some], found[:some].unsqueeze(1)
        return torch.cat([self.model.register(*pairs).squeeze(1), found[some:]])

    def _unsupervised(
        self,
        source: Tensor,
        driving: Tensor,
        points: Tensor,
        random: np.random.Generator,
        terms: dict[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Returns the unsupervised keypoints of both frames and adds their losses."""
        settings, count = self.settings, len(driving)
        detect = cast(nn.Module, self.model.detector.unsupervised)
        if self.frozen:
            with torch.no_grad():
                first, second = detect(torch.cat([source, driving])).chunk(2)
            return first, second
        some = (count + 1) // 2
        affine = random_affine(some, random, scale=LARGEST_SCALING).to(driving.device)
        moved = channels_last(transform(driving[:some], affine))
        found = detect(torch.cat([source, driving, moved])).float()
        first, second, again = found.split([count, count, some])
        terms["equivariance"] = settings.equivariance_weight * losses.equivariance(
            second[:some].detach(), again, affine
        )
        terms["separation"] = settings.separation_weight * losses.separation(second)
        motion = losses.motion_weights(driving, source, settings.motion_emphasis)
        motion = 1 + (motion - 1) * (1 - looked_at(points, driving.shape[-1], everything=True))
        centres = pixel_centres(32).to(driving.device)
        heatmaps = gaussians(second, centres, self.model.configuration.gaussian_variance)
        terms["coverage"] = settings.coverage_weight * losses.coverage(heatmaps, motion)
        return first, second


class FaceAdversarialTraining(AdversarialFineTuning, FaceTraining):
    """The same against a discriminator of close-ups, of lips or of eyes."""

    settings: FaceAdversarialSettings


def looked_at(points: Tensor, side: int, everything: bool = False) -> Tensor:
    """Returns maps (N, 1, S, S) from 0 to 1, high at lips, lids and brows, or the whole face."""
    spread = 2.5 * REGION_SPREAD if everything else REGION_SPREAD
    names = {group.name for group in GROUPS} if everything else LOOKED_AT
    chosen = [i for g in GROUPS if g.name in names for i in range(g.first, g.first + g.size)]
    assert max(chosen) < ANCHORED
    centres = pixel_centres(32).to(points.device)
    maps = gaussians(points[:, chosen], centres, spread**2) * points[:, chosen, 2, None, None]
    return functional.interpolate(
        maps.amax(1, keepdim=True), (side, side), mode="bilinear", align_corners=True
    )


def inside_mouth(points: Tensor, side: int) -> Tensor:
    """Returns maps (N, 1, S, S) from 0 to 1, high between the lips.

    The inside of a closed mouth is unknown in colour and form: if required to match the amount of
    detail, a network paints a pattern of pixels.
    """
    upper, lower = (points[:, lip, :2] for lip in LIPS)
    middle = torch.cat([(upper + lower) / 2, (upper + 2 * lower) / 3, (2 * upper + lower) / 3], 1)
    centres = pixel_centres(64).to(points.device)
    maps = gaussians(middle, centres, MOUTH_SPREAD**2).amax(1, keepdim=True)
    return functional.interpolate(maps, (side, side), mode="bilinear", align_corners=True)


def texture_l1(output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Returns the weighted error of the mean gradient of neighbourhoods of 8 x 8 pixels.

    Networks paint uncertain detail as its mean, which is smooth; pixel-wise losses do not penalise
    that. This one does, and leaves open where exactly the detail lies.
    """
    wanted, made = _texture(target), _texture(output)
    near = functional.avg_pool2d(weights, TEXTURE_PIXELS, TEXTURE_PIXELS // 2)
    return (near * (wanted - made).abs()).mean()


def _texture(images: Tensor) -> Tensor:
    across = (images[..., 1:] - images[..., :-1]).abs()
    down = (images[..., 1:, :] - images[..., :-1, :]).abs()
    both = functional.pad(across, (0, 1)) + functional.pad(down, (0, 0, 0, 1))
    return functional.avg_pool2d(both, TEXTURE_PIXELS, TEXTURE_PIXELS // 2)


def weighted_gradient(output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Returns the weighted L1 error of horizontal plus vertical differences."""
    error = output - target
    across = (weights[..., 1:] * (error[..., 1:] - error[..., :-1]).abs()).mean()
    down = (weights[..., 1:, :] * (error[..., 1:, :] - error[..., :-1, :]).abs()).mean()
    return across + down
