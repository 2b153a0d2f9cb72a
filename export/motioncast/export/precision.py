"""Precisions that models are exported in: how the float32 graph is converted, and the tolerances.

| precision | what changes | for |
|---|---|---|
| float32 | nothing | every machine |
| float16 | convolutions and the operators between them | GPUs |
| int8 | convolutions, with ranges from training clips | CPUs with VNNI or AMX, TensorRT |

The predictor stays in float32: it is small, and its state accumulates rounding errors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from onnx import ModelProto

from motioncast.export.calibration import Calibration
from motioncast.export.half import to_float16
from motioncast.export.int8 import to_int8
from motioncast.export.parity import Arrays, Case
from motioncast.export.specification import ModelSpecification, Tolerance

Precision = Literal["float32", "float16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# Keypoints in [-1, 1]: 0.01 is 0.6 pixels of 128, for random images and training frames alike.
# Images in levels: warping an edge by a fraction of a pixel changes it by many levels.
TOLERANCES: dict[Precision, dict[str, Tolerance]] = {
    "float16": {"keypoints": Tolerance(0.01), "image": Tolerance(32)},
    "int8": {"keypoints": Tolerance(0.1), "image": Tolerance(128)},
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """The conversion of one model's graph, and the tolerances for the result."""

    convert: Callable[[ModelProto], ModelProto]
    tolerances: dict[str, Tolerance]
    draw: Callable[[Case], Arrays] | None = None  # inputs of the comparison; None: random ones


def conversion(
    precision: Precision, specification: ModelSpecification, calibration: Calibration | None
) -> Conversion | None:
    """Returns the conversion of a keypoint or synthesis model to a precision; None for float32.

    Raises ValueError for int8 without calibration.
    """
    if precision == "float32":
        return None
    if precision == "float16":
        return Conversion(to_float16, TOLERANCES[precision])
    if calibration is None:
        raise ValueError("calibration: int8 needs a folder of training clips")
    return Conversion(
        partial(to_int8, batches=calibration.inputs(specification)),
        TOLERANCES[precision],
        partial(calibration.draw, specification),
    )
