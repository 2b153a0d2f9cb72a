"""Small recurrent predictors with fixed weights, and windows of keypoints to train them on."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from motioncast.models.predictors.checkpoint import build_predictor
from motioncast.models.predictors.recurrent import (
    MotionStatistics,
    PredictorSizes,
    RecurrentPredictor,
)
from motioncast.train.predictor_loss import (
    loss_terms,
)

SIZES = PredictorSizes(keypoints=2, hidden=5, latent=3, features=4)
Array = npt.NDArray[np.float64]


def model(kind: str) -> RecurrentPredictor:
    torch.manual_seed(0)
    statistics = MotionStatistics(
        mean=torch.full((2, 3), 0.4), std=torch.full((2, 3), 0.3), unit=torch.full((2, 3), 0.05)
    )
    return build_predictor(kind, SIZES, statistics)


def windows(frames: int = 7, batch: int = 3) -> tuple[Tensor, Tensor]:
    """Returns keypoints inside their range and a mask of gaps."""
    generator = torch.Generator().manual_seed(1)
    keypoints = 0.2 + 0.5 * torch.rand(batch, frames, 2, 3, generator=generator)
    return keypoints, torch.tensor([[1.0, 1, 0, 0, 1, 0, 0]])[:, :frames].repeat(batch, 1)


def total_loss(*arguments: Any, **options: Any) -> Tensor:
    return loss_terms(*arguments, **options).total


def draw(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
