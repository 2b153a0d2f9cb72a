"""Training of Monkey-Net: least-squares GAN with feature reconstruction (its section 3.4).

The discriminator sees keypoints that are detached; the generator's carry its gradient back to the
detector. Both optimisers take one step per batch, the generator first.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from motioncast.data.pairs import Batch
from motioncast.models import losses
from motioncast.models.discriminator import Discriminator
from motioncast.models.motion_transfer import MotionTransfer
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
        self.discriminator = Discriminator(model.configuration).to(processes.device)
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), betas=(0.5, 0.999)
        )
        self.last_output: tuple[Tensor, Tensor, Tensor] | None = None  # driving, image, keypoints

    def descend(self, batch: Batch) -> dict[str, Tensor]:
        """Takes one step of the generator, then one of the discriminator."""
        terms = super().descend(batch)
        return {**terms, "discriminator": self._descend_discriminator()}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        settings = self.settings
        source, driving = batch.source, batch.driving
        with self.stepper.autocast():
            of_source, of_driving = self.model.detect(torch.cat([source, driving])).chunk(2)
            synthesis = self.model.synthesis
            output = synthesis.decode(synthesis.encode(source), of_source, of_driving.unsqueeze(1))
            detached = of_driving.detach()
            with torch.no_grad():
                real_maps, _ = self.discriminator(driving, detached)
            maps, score = self.discriminator(output.image, detached)
        self.last_output = (driving, output.image.detach(), detached)
        terms = {
            "reconstruction": losses.feature_reconstruction(
                [real.float() for real in real_maps],
                [generated.float() for generated in maps],
                settings.reconstruction_weights,
            ),
            "adversarial": settings.adversarial_weight
            * losses.generator_adversarial(score.float()),
        }
        if settings.warped_weight:
            deformed = (output.warped - driving).abs().mean()
            terms["warped"] = settings.warped_weight * deformed
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

    def _descend_discriminator(self) -> Tensor:
        assert self.last_output is not None
        driving, image, keypoints = self.last_output
        for group in self.discriminator_optimiser.param_groups:
            group["lr"] = self.learning_rate()
        with self.stepper.autocast():
            _, real = self.discriminator(driving, keypoints)
            _, fake = self.discriminator(image, keypoints)
        loss = self.settings.discriminator_weight * losses.discriminator_adversarial(
            real.float(), fake.float()
        )
        self.stepper.minimise(
            loss,
            self.discriminator_optimiser,
            list(self.discriminator.parameters()),
            self.settings.clip_norm,
        )
        return loss
