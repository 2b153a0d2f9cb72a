"""A program for torchrun: every process trains small networks and writes the results.

torchrun --standalone --nproc-per-node 2 -m support.two_processes FOLDER
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from motioncast.data.pairs import Batch
from motioncast.models.configurations import Configuration
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.train.parallel import ALONE, Processes, joined
from motioncast.train.predictor_loss import LossWeights
from motioncast.train.predictor_training import PredictorTraining
from motioncast.train.reconstruction import ReconstructionTraining
from motioncast.train.settings import Schedule, TrainingSettings

STEPS = 3
TINY = Configuration(name="tiny", architecture="lite", image_size=32, keypoints=2)


def train_predictor(processes: Processes = ALONE) -> dict[str, Tensor]:
    """Returns the weights of a VRNN after a few steps on random walks."""
    generator = torch.Generator().manual_seed(0)
    clips = [0.02 * torch.randn(20, 2, 3, generator=generator).cumsum(dim=0) for _ in range(6)]
    training = PredictorTraining(
        "vrnn",
        PredictorSizes(keypoints=2, hidden=8, latent=4, features=8),
        clips,
        Schedule(steps=STEPS, batch=6, window_frames=8, warmup_steps=1),
        LossWeights(),
        processes,
    )
    for _ in range(STEPS):
        training.advance()
    return training.model.state_dict()


def train_synthesis(processes: Processes) -> dict[str, Tensor]:
    """Returns weights, averages and losses of a tiny network after a few steps on noise."""
    torch.manual_seed(0)
    settings = TrainingSettings(minutes=1.0, batch_size=4, precision="float32")
    training = ReconstructionTraining(MotionTransfer(TINY), settings, processes)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        images = torch.rand(3, 4, 3, 32, 32, generator=generator)
        terms = training.learn(Batch(*map(processes.part, images)))
    average = {f"average.{name}": value for name, value in training.average.state_dict().items()}
    said = {"terms": torch.tensor(list(terms.values())), "seconds": torch.tensor(training.seconds)}
    return {**training.model.state_dict(), **average, **said}


def main() -> None:
    """Trains as one of torchrun's processes and writes FOLDER/RANK.pt."""
    torch.set_num_threads(1)
    with joined("cpu") as processes:
        trained = {"predictor": train_predictor(processes), "synthesis": train_synthesis(processes)}
        torch.save(trained, Path(sys.argv[1]) / f"{processes.rank}.pt")


if __name__ == "__main__":
    main()
