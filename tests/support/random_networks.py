"""Networks with random weights: unlike freshly initialised ones, none is exactly zero or one."""

from typing import TypeVar

import torch
from torch import nn

from motioncast.models.configurations import Configuration
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.predictors.recurrent import MotionStatistics, PredictorSizes
from motioncast.models.predictors.vrnn import VRNN

Network = TypeVar("Network", bound=nn.Module)


def random_motion_transfer(configuration: Configuration, seed: int = 0) -> MotionTransfer:
    """Returns detector and synthesis network in evaluation mode."""
    torch.manual_seed(seed)
    return randomise(MotionTransfer(configuration))


def random_vrnn(sizes: PredictorSizes, seed: int = 0) -> VRNN:
    """Returns a VRNN in evaluation mode whose keypoints move by a few hundredths per frame.

    It has prediction intervals that widen with the horizon.
    """
    torch.manual_seed(seed)
    shape = (sizes.keypoints, 3)
    statistics = MotionStatistics(
        mean=torch.rand(shape) - 0.5,
        std=0.1 + torch.rand(shape),
        unit=0.02 + 0.05 * torch.rand(shape),
    )
    vrnn = randomise(VRNN(sizes, statistics))
    vrnn.factors.copy_(torch.linspace(0.1, 1, len(vrnn.factors))[:, None].expand(-1, 3))
    return vrnn


@torch.no_grad()
def randomise(network: Network) -> Network:
    """Perturbs every weight a little and gives every batch norm its own statistics, in place.

    The perturbation is smaller for sums of many terms: activations that grow with depth would
    magnify rounding errors.
    """
    for parameter in network.parameters():
        terms = parameter[0].numel() if parameter.dim() > 1 else 1
        parameter.add_(min(0.05, 0.6 / terms**0.5) * torch.randn_like(parameter))
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 2.0)
    return network.eval()
