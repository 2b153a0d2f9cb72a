"""A generator's adversary: a discriminator, its optimiser, and the images it judged last."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from motioncast.models import losses
from motioncast.train.precision import Stepper


class Judgement(NamedTuple):
    """The discriminator's output for real and generated images; all in float32."""

    real_maps: list[Tensor]  # [images, feature maps...], without gradient
    fake_maps: list[Tensor]
    fake_score: Tensor


class Adversary:
    """Judges generated images next to real ones, then learns to tell them apart better.

    The discriminator returns ([images, feature maps...], scores) for images and a condition shared
    by the real and the generated image: their keypoints, in one form or another.
    """

    def __init__(
        self, discriminator: nn.Module, stepper: Stepper, clip_norm: float, weight: float = 1.0
    ) -> None:
        self.discriminator = discriminator
        self.stepper = stepper
        self.clip_norm = clip_norm
        self.weight = weight
        self.optimiser = torch.optim.Adam(discriminator.parameters(), betas=(0.5, 0.999))
        self.judged: tuple[Tensor, Tensor, Tensor] | None = None  # real, fake, condition

    def judge(self, real: Tensor, fake: Tensor, condition: Tensor) -> Judgement:
        """Judges the generator's images, letting its gradient flow through, and remembers them."""
        condition = condition.detach()
        self.judged = (real, fake.detach(), condition)
        self.discriminator.requires_grad_(False)  # this gradient is for the generator only
        with self.stepper.autocast():
            with torch.no_grad():
                real_maps, _ = self.discriminator(real, condition)
            fake_maps, score = self.discriminator(fake, condition)
        return Judgement(
            [each.float() for each in real_maps],
            [each.float() for each in fake_maps],
            score.float(),
        )

    def descend(self, learning_rate: float) -> Tensor:
        """Takes a step on the last judged images and returns the weighted least-squares loss."""
        assert self.judged is not None
        real, fake, condition = self.judged
        self.discriminator.requires_grad_(True)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        with self.stepper.autocast():
            _, of_real = self.discriminator(real, condition)
            _, of_fake = self.discriminator(fake, condition)
        loss = self.weight * losses.discriminator_adversarial(of_real.float(), of_fake.float())
        parameters = list(self.discriminator.parameters())
        self.stepper.minimise(loss, self.optimiser, parameters, self.clip_norm)
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """Returns what resuming needs, as part of a training's state."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "discriminator_optimiser": self.optimiser.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from a training's state."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimiser.load_state_dict(state["discriminator_optimiser"])
