"""Adversarial fine-tuning of trained networks: sharp lips, teeth and lids.

    python -m motioncast.train.synthesis --config lite128_adversarial --from CHECKPOINT ...

    loss = reconstruction + w (least-squares GAN + feature matching)
    w    = share * |d reconstruction / d image| / |d (GAN + matching) / d image|

All losses of the reconstruction stay. The discriminator sees a full-resolution close-up of the part
of every driving frame that moves most. Weighting its terms by their gradients (Esser et al. 2021,
equation 7) gives them the same influence on any data, however good the discriminator becomes; while
it learns its first steps, they grow from zero.
"""

from typing import Any

import torch
from torch import Tensor

from motioncast.data.pairs import Batch
from motioncast.models import losses
from motioncast.models.geometry import gaussians, pixel_centres
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.patch_discriminator import PatchDiscriminator
from motioncast.train.adversary import Adversary
from motioncast.train.close_up import crop, strongest_motion
from motioncast.train.parallel import ALONE, Processes
from motioncast.train.reconstruction import Reconstruction, ReconstructionTraining
from motioncast.train.settings import LiteAdversarialSettings


class AdversarialFineTuning(ReconstructionTraining):
    """Reconstruction against a discriminator of close-ups."""

    settings: LiteAdversarialSettings

    def __init__(
        self, model: MotionTransfer, settings: LiteAdversarialSettings, processes: Processes = ALONE
    ) -> None:
        """Raises ValueError when the close-ups do not fit the images of the model."""
        super().__init__(model, settings, processes)
        configuration, self.side = model.configuration, settings.close_up_pixels
        if self.side % 8 or self.side > configuration.image_size:
            raise ValueError(
                f"close_up_pixels: {self.side} is not a multiple of 8 "
                f"up to {configuration.image_size}, the size of {configuration.name}"
            )
        self.adversary = Adversary(
            PatchDiscriminator(configuration.keypoints).to(processes.device),
            self.stepper,
            settings.clip_norm,
        )

    def descend(self, batch: Batch) -> dict[str, Tensor]:
        """Takes one step of the generator, then one of the discriminator."""
        terms = super().descend(batch)
        rate = self.settings.discriminator_learning_rate * self._onset()
        return {**terms, "discriminator": self.adversary.descend(rate)}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        made = self.reconstruct(batch)
        against = self._close_up_terms(batch.driving, made)
        relative = self.settings.adversarial_share * self._onset()
        weight = relative * gradient_ratio(made.terms, against, made.image)
        return {**made.terms, **{name: weight * term for name, term in against.items()}}

    def state(self) -> dict[str, Any]:
        return {**super().state(), **self.adversary.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.adversary.load_state(state)

    def _close_up_terms(self, driving: Tensor, made: Reconstruction) -> dict[str, Tensor]:
        configuration = self.model.configuration
        centres = pixel_centres(configuration.image_size // 2).to(driving.device)
        heatmaps = gaussians(made.keypoints.float(), centres, configuration.gaussian_variance)
        places = strongest_motion(made.weights, self.side)  # (N, 2), even
        seen = self.adversary.judge(
            crop(driving, places, self.side),
            crop(made.image, places, self.side),
            crop(heatmaps, places // 2, self.side // 2),
        )
        of_maps = (0.0, *[self.settings.feature_weight] * (len(seen.fake_maps) - 1))
        return {
            "adversarial": losses.generator_adversarial(seen.fake_score),
            "features": losses.feature_reconstruction(seen.real_maps, seen.fake_maps, of_maps),
        }

    def _onset(self) -> float:
        return min(1.0, (self.step + 1) / self.settings.warmup_steps)


def gradient_ratio(terms: dict[str, Tensor], against: dict[str, Tensor], image: Tensor) -> Tensor:
    """Returns |d terms / d image| / |d against / d image|, without gradient."""
    norms = []
    for each in (terms, against):
        total = torch.stack(list(each.values())).sum()
        (gradient,) = torch.autograd.grad(total, image, retain_graph=True)
        norms.append(gradient.norm())
    ratio: Tensor = norms[0] / norms[1].clamp(min=1e-8)
    return ratio
