"""Inputs and outputs of each served model, and how closely its ONNX file must match PyTorch.

    <config>_keypoint    image -> keypoints
    <config>_synthesis   source_image, source_keypoints, driving_keypoints -> image
    <config>_registration  source_image, source_keypoints, image, keypoints -> registered
    <config>_predictor   keypoints, observed, noise, state -> forecast, half_width90, next_state

The first axis of every tensor is the batch; predictor and synthesis also have a time axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from motioncast.framing import FramingMode

if TYPE_CHECKING:  # the interfaces themselves need no torch
    from motioncast.models.configurations import Configuration
    from motioncast.models.predictors.recurrent import RecurrentPredictor

BATCH, TIME = "batch", "time"
OBSERVED = "observed"  # axis of only the observed frames of a stretch: TIME or fewer
NAMED = (BATCH, TIME, OBSERVED)  # axes of variable length
ElementType = Literal["uint8", "float32"]


@dataclass(frozen=True, slots=True)
class TensorSpecification:
    """One input or output of a model."""

    name: str
    element: ElementType
    axes: tuple[str | int, ...]  # a name stands for a variable length

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.float32]:
        """The numpy type of its elements."""
        return np.dtype(np.uint8) if self.element == "uint8" else np.dtype(np.float32)

    def shape(self, batch: int, time: int) -> tuple[int, ...]:
        """Returns the shape for a batch size and a number of frames."""
        lengths = {BATCH: batch, TIME: time, OBSERVED: time}
        return tuple(lengths[axis] if isinstance(axis, str) else axis for axis in self.axes)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far the values of an output may differ from PyTorch's."""

    largest: float  # greatest difference of any value, in the output's own units
    differing_share: float = 1.0  # largest share of values that may differ at all


@dataclass(frozen=True, slots=True)
class GpuServing:
    """How Triton serves a model on GPUs, where that differs from CPUs."""

    instances: int  # per GPU: one computes while another copies
    preferred_batch_sizes: tuple[int, ...] = ()  # calls of equal shapes are joined up to these
    tensorrt: bool = True  # TensorRT in float16; otherwise CUDA in the model's own precision


@dataclass(frozen=True, slots=True)
class ModelSpecification:
    """The interface of one served model."""

    name: str
    description: str
    inputs: tuple[TensorSpecification, ...]
    outputs: tuple[TensorSpecification, ...]
    tolerances: dict[str, Tolerance]  # by output name
    max_batch_size: int  # per call to Triton; 0: calls must not be joined along the first axis
    dynamic_batching: bool  # whether Triton may join calls of equal shapes
    gpu: GpuServing | None = None  # None: always served on a CPU
    threads: int = 0  # for one run on a CPU; 0: one per core
    parameters: Mapping[str, str] = field(default_factory=dict)  # in config.pbtxt, for the services


def keypoint_specification(
    configuration: Configuration, framing: FramingMode = FramingMode.OFF
) -> ModelSpecification:
    """Describes the keypoint detector of a configuration and how its pictures should be framed."""
    size = configuration.image_size
    return ModelSpecification(
        name=f"{configuration.name}_keypoint",
        description="RGB images -> keypoints: corner-aligned x, y in [-1, 1], intensity in [0, 1]",
        inputs=(TensorSpecification("image", "uint8", (BATCH, size, size, 3)),),
        outputs=(TensorSpecification("keypoints", "float32", (BATCH, configuration.keypoints, 3)),),
        # 1e-4 is 1/80 of a pixel at 256 x 256; the softmax's temperature magnifies rounding.
        tolerances={"keypoints": Tolerance(1e-4)},
        max_batch_size=64,
        dynamic_batching=False,  # a CPU computes images one by one (docs/export.md)
        gpu=GpuServing(instances=2, preferred_batch_sizes=(8, 16, 32)),
        parameters=_of_keypoints(configuration, framing),
    )


def _of_keypoints(configuration: Configuration, framing: FramingMode) -> dict[str, str]:
    """Returns the detector's config.pbtxt parameters for the services; defaults are left out."""
    anchored = configuration.anchored_keypoints
    return {
        **({"anchored_keypoints": str(anchored)} if anchored else {}),
        **({} if framing is FramingMode.OFF else {"framing": framing.value}),
    }


def synthesis_specification(configuration: Configuration) -> ModelSpecification:
    """Describes the synthesis network of a configuration."""
    size, keypoints = configuration.image_size, configuration.keypoints
    return ModelSpecification(
        name=f"{configuration.name}_synthesis",
        description="source image and keypoints, driving keypoints -> RGB images",
        inputs=(
            TensorSpecification("source_image", "uint8", (BATCH, size, size, 3)),
            TensorSpecification("source_keypoints", "float32", (BATCH, keypoints, 3)),
            TensorSpecification("driving_keypoints", "float32", (BATCH, TIME, keypoints, 3)),
        ),
        outputs=(TensorSpecification("image", "uint8", (BATCH, TIME, size, size, 3)),),
        # A value half way between two levels may be rounded either way.
        tolerances={"image": Tolerance(1, differing_share=0.002)},
        max_batch_size=8,  # sources; a call carries all their driving frames
        dynamic_batching=False,
        gpu=GpuServing(instances=2, preferred_batch_sizes=(2, 4, 8)),
        parameters=_source_weights(configuration),
    )


def registration_specification(configuration: Configuration) -> ModelSpecification:
    """Describes the registration of a configuration's keypoints: one session in each call."""
    size, keypoints = configuration.image_size, configuration.keypoints
    of_frames = (OBSERVED, keypoints, 3)
    return ModelSpecification(
        name=f"{configuration.name}_registration",
        description="source image and keypoints, images and the keypoints found in each alone"
        " -> keypoints that align the source with the images",
        inputs=(
            TensorSpecification("source_image", "uint8", (1, size, size, 3)),
            TensorSpecification("source_keypoints", "float32", (1, keypoints, 3)),
            TensorSpecification("image", "uint8", (OBSERVED, size, size, 3)),
            TensorSpecification("keypoints", "float32", of_frames),
        ),
        outputs=(TensorSpecification("registered", "float32", of_frames),),
        tolerances={"registered": Tolerance(1e-4)},  # as of the detector that found them
        max_batch_size=0,  # the first axis of the images is frames, that of the source sessions
        dynamic_batching=False,
        gpu=GpuServing(instances=2, tensorrt=False),
    )


def _source_weights(configuration: Configuration) -> dict[str, str]:
    """Returns the keypoint weights used for choosing a source frame, unless they are all equal."""
    from motioncast.models.source_weights import source_weights

    weights = source_weights(configuration)
    return {"source_weights": ",".join(f"{one:g}" for one in weights)} if weights else {}


def predictor_specification(name: str, predictor: RecurrentPredictor) -> ModelSpecification:
    """Describes the predictor of the configuration `name`."""
    keypoints, state = predictor.sizes.keypoints, predictor.state_size
    return ModelSpecification(
        name=f"{name}_predictor",
        description="a stretch of the timeline, observed or not, and the state before it "
        "-> forecast of every frame from those before it, half the width of its 90 % interval, "
        "and the state after it",
        inputs=(
            TensorSpecification("keypoints", "float32", (BATCH, TIME, keypoints, 3)),
            TensorSpecification("observed", "float32", (BATCH, TIME)),
            TensorSpecification("noise", "float32", (BATCH, TIME, predictor.noise_size)),
            TensorSpecification("state", "float32", (BATCH, state)),
        ),
        outputs=(
            TensorSpecification("forecast", "float32", (BATCH, TIME, keypoints, 3)),
            TensorSpecification("half_width90", "float32", (BATCH, TIME, keypoints, 3)),
            TensorSpecification("next_state", "float32", (BATCH, state)),
        ),
        tolerances={
            "forecast": Tolerance(1e-4),
            "half_width90": Tolerance(1e-4),
            "next_state": Tolerance(1e-3),
        },
        max_batch_size=64,
        dynamic_batching=True,
        # Its steps are small and sequential, and its state accumulates rounding errors: float32.
        gpu=GpuServing(instances=1, preferred_batch_sizes=(8, 16, 32), tensorrt=False),
    )
