"""Training of Monkey-Net: least-squares GAN with feature reconstruction (its section 3.4).

The discriminator sees detached keypoints; the generator's keypoints carry its gradient back to the
detector. Both optimisers take one step per batch, the generator first.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from motioncast.data.pairs import Batch
from motioncast.models import losses
from motioncast.models.discriminator import Discriminator
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.adversary import Adversary
from motioncast.train.parallel import ALONE, Processes
from motioncast.train.settings import AdversarialSettings, Precision
from motioncast.train.state import SynthesisTraining


class AdversarialTraining(SynthesisTraining):
    """Generator and detector against a discriminator; the learning rate drops at a milestone."""

    settings: AdversarialSettings
    precision_on_cpu: ClassVar[Precision] = "float32"

    def __init__(
        self, model: MotionTransfer, settings: AdversarialSettings, processes: Processes = ALONE
    ) -> None:
        super().__init__(model, settings, processes)
        self.adversary = Adversary(
            Discriminator(model.configuration).to(processes.device),
            self.stepper,
            settings.clip_norm,
            settings.discriminator_weight,
        )

    def descend(self, batch: Batch) -> dict[str, Tensor]:
        """Takes one step of the generator, then one of the discriminator."""
        terms = super().descend(batch)
        return {**terms, "discriminator": self.adversary.descend(self.learning_rate())}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        settings = self.settings
        source, driving = batch.source, batch.driving
        with self.stepper.autocast():
            of_source, of_driving = self.model.detect(torch.cat([source, driving])).chunk(2)
            synthesis = self.model.synthesis
            output = synthesis.decode(synthesis.encode(source), of_source, of_driving.unsqueeze(1))
        seen = self.adversary.judge(driving, output.image, of_driving)
        terms = {
            "reconstruction": losses.feature_reconstruction(
                seen.real_maps, seen.fake_maps, settings.reconstruction_weights
            ),
            "adversarial": settings.adversarial_weight
            * losses.generator_adversarial(seen.fake_score),
        }
        if settings.warped_weight:
            deformed = (output.warped - driving).abs().mean()
            terms["warped"] = settings.warped_weight * deformed
        return terms

    def learning_rate(self) -> float:
        before = self.progress() < self.settings.milestone
        return self.settings.learning_rate if before else self.settings.final_learning_rate

    def state(self) -> dict[str, Any]:
        return {**super().state(), **self.adversary.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.adversary.load_state(state)
