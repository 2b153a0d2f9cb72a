"""Training of Monkey-Net: least-squares GAN with feature reconstruction (its section 3.4).

The discriminator sees keypoints that are detached; the generator's carry its gradient back to the
detector. Both optimisers take one step per batch, the generator first.
"""

from typing import Any

import torch
from torch import Tensor

from motioncast.data.pairs import Batch
from motioncast.models import losses
from motioncast.models.discriminator import Discriminator
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.settings import AdversarialSettings
from motioncast.train.state import SynthesisTraining


class AdversarialTraining(SynthesisTraining):
    """Generator and detector against a discriminator; the learning rate drops at a milestone."""

    settings: AdversarialSettings

    def __init__(self, model: MotionTransfer, settings: AdversarialSettings) -> None:
        super().__init__(model, settings)
        self.discriminator = Discriminator(model.configuration)
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), betas=(0.5, 0.999)
        )
        self.last_output: tuple[Tensor, Tensor, Tensor] | None = None  # driving, image, keypoints

    def learn(self, batch: Batch) -> dict[str, float]:
        """Takes one step of the generator, then one of the discriminator."""
        terms = super().learn(batch)
        return {**terms, "discriminator": self._learn_discriminator()}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        source, driving = batch.source, batch.driving
        of_source, of_driving = self.model.detect(torch.cat([source, driving])).chunk(2)
        synthesis = self.model.synthesis
        output = synthesis.decode(synthesis.encode(source), of_source, of_driving.unsqueeze(1))
        detached = of_driving.detach()
        with torch.no_grad():
            real_maps, _ = self.discriminator(driving, detached)
        maps, score = self.discriminator(output.image, detached)
        self.last_output = (driving, output.image.detach(), detached)
        terms = {
            "reconstruction": losses.feature_reconstruction(real_maps, maps),
            "adversarial": losses.generator_adversarial(score),
        }
        if self.settings.warped_weight:
            deformed = (output.warped - driving).abs().mean()
            terms["warped"] = self.settings.warped_weight * deformed
        return terms

    def learning_rate(self) -> float:
        before = self.progress() < self.settings.milestone
        return self.settings.learning_rate if before else self.settings.final_learning_rate

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "discriminator": self.discriminator.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.discriminator.load_state_dict(state["discriminator"])
        self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])

    def _learn_discriminator(self) -> float:
        assert self.last_output is not None
        driving, image, keypoints = self.last_output
        for group in self.discriminator_optimiser.param_groups:
            group["lr"] = self.learning_rate()
        _, real = self.discriminator(driving, keypoints)
        _, fake = self.discriminator(image, keypoints)
        loss = losses.discriminator_adversarial(real, fake)
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.discriminator_optimiser.step()
        return loss.item()
