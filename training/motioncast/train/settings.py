"""How detector, synthesis network and predictors are trained.

A number that is not annotated with a range must not be negative.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from motioncast.models.losses import RECONSTRUCTION_WEIGHTS


@dataclass(frozen=True, slots=True)
class Range:
    """The allowed values of a number; with `above` the minimum itself is excluded."""

    least: float = 0.0
    most: float = math.inf
    above: bool = False


Count = Annotated[int, Range(least=1)]
Positive = Annotated[float, Range(above=True)]
Share = Annotated[float, Range(most=1.0)]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class SynthesisSettings:
    """Settings of every training of detector and synthesis; exactly one duration is given."""

    steps: Count | None = None
    minutes: Positive | None = None
    epochs: Positive | None = None  # of one sample per clip: epochs * clips / batch_size steps
    batch_size: Count = 16  # over all processes
    learning_rate: Positive = 1e-3
    final_learning_rate: float = 2e-5
    freeze_detector: Share = 1.0  # share of the training after which the detector is fixed
    freeze_statistics: Share = 1.0  # and after which batch norm uses its running statistics
    warped_weight: float = 0.0  # L1 of the deformed source, which trains the flow
    clip_norm: Positive = 10.0
    average_decay: Share = 0.999
    seed: int = 0
    precision: Precision = "auto"
    checkpoint_seconds: Positive = 180.0


@dataclass(frozen=True, slots=True)
class TrainingSettings(SynthesisSettings):
    """Settings for the lite networks: reconstruction and keypoint losses."""

    warmup_steps: Count = 100
    freeze_detector: Share = 0.4
    motion_emphasis: float = 3.0  # extra weight of moving pixels; still pixels have 1
    decibel_weight: float = 0.2  # of the mean logarithm of every image's squared error
    pixel_weight: float = 3.0
    gradient_weight: float = 3.0
    warped_weight: float = 2.0
    equivariance_weight: float = 1.0
    separation_weight: float = 1.0
    coverage_weight: float = 0.1
    lost_keypoints: Share = 0.0  # of the samples, with some driving keypoints moved at random


@dataclass(frozen=True, slots=True)
class FaceSettings(TrainingSettings):
    """Settings for the face networks."""

    freeze_detector: Share = 0.4
    region_emphasis: float = 2.0  # extra weight of lips, lids and brows; the rest has 1
    mouth_emphasis: float = 0.0  # extra weight of the area between the lips
    texture_weight: float = 0.0  # of the amount of detail, wherever exactly it lies
    landmark_weight: float = 0.0  # of the face mesh's positions of lids, lips and the rest


@dataclass(frozen=True, slots=True)
class LiteAdversarialSettings(TrainingSettings):
    """Settings for fine-tuning trained lite networks against a discriminator of close-ups."""

    freeze_detector: Share = 0.0
    freeze_statistics: Share = 0.0
    learning_rate: Positive = 2e-4
    adversarial_share: float = 1.0  # gradient of its terms over that of the others, at the image
    feature_weight: float = 10.0  # of feature matching, relative to the least-squares GAN
    discriminator_learning_rate: Positive = 1e-3
    close_up_pixels: Count = 64  # a multiple of 8
    average_decay: Share = 0.995


@dataclass(frozen=True, slots=True)
class FaceAdversarialSettings(LiteAdversarialSettings):
    """Settings for fine-tuning trained face networks against a discriminator of close-ups."""

    region_emphasis: float = 2.0
    mouth_emphasis: float = 0.0
    texture_weight: float = 0.0
    landmark_weight: float = 0.0
    close_up_pixels: Count = 96


@dataclass(frozen=True, slots=True)
class AdversarialSettings(SynthesisSettings):
    """Settings for Monkey-Net as its authors trained it on UvA-Nemo."""

    batch_size: Count = 32
    learning_rate: Positive = 2e-4
    milestone: Share = 2 / 3  # share of the training after which the final rate applies
    reconstruction_weights: tuple[float, float, float, float, float] = RECONSTRUCTION_WEIGHTS
    adversarial_weight: float = 1.0  # of the generator's least-squares loss
    discriminator_weight: float = 1.0
    clip_norm: Positive = math.inf  # no clipping
    average_decay: Share = 0.0  # no averaging: the average is the network itself


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast a predictor is trained."""

    steps: Count = 3000
    epochs: Positive | None = None  # of one window per clip, instead of steps
    batch: Count = 64  # over all processes
    window_frames: Annotated[int, Range(least=2)] = 32
    time_flip: bool = True  # half of the windows are played backwards
    other_people: Share = 0.0  # of the windows, transformed to other people (data/other_people.py)
    anchored: bool = False  # keypoints are the same points on everyone, and move together
    by_person: bool = False  # windows are drawn per person, not per clip
    learning_rate: Positive = 3e-3  # falls to zero along a cosine
    warmup_steps: Count = 100
    weight_decay: float = 1e-2
    clip_norm: Positive = 1.0
    average_decay: Share = 0.995  # of the exponential moving average of the weights
    validate_every_steps: Count = 250
    seed: int = 0
    precision: Precision = "auto"
