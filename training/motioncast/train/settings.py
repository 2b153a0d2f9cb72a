"""How detector and synthesis network are trained."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings for the lite networks; the end is given in steps, or in minutes of training."""

    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 16
    learning_rate: float = 1e-3
    final_learning_rate: float = 2e-5
    warmup_steps: int = 100
    freeze_detector: float = 0.4  # share of the training after which the detector is fixed
    motion_emphasis: float = 6.0  # weight of moving pixels, still ones having 1
    pixel_weight: float = 10.0
    gradient_weight: float = 10.0
    warped_weight: float = 2.0  # L1 of the deformed source: it teaches the flow
    equivariance_weight: float = 1.0
    separation_weight: float = 1.0
    coverage_weight: float = 0.1
    average_decay: float = 0.999
    seed: int = 0
    bfloat16: bool = True
    checkpoint_seconds: float = 180.0


@dataclass(frozen=True, slots=True)
class AdversarialSettings(TrainingSettings):
    """Settings for Monkey-Net as its authors trained it on UvA-Nemo."""

    batch_size: int = 32
    learning_rate: float = 2e-4
    final_learning_rate: float = 2e-5
    milestone: float = 2 / 3  # share of the training after which the final rate holds
    freeze_detector: float = 1.0  # never
    warped_weight: float = 0.0  # 10 for BAIR
    average_decay: float = 0.0  # no averaging: the average is the network itself
    bfloat16: bool = False
