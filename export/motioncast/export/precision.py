"""How precisely models compute: what becomes of a float32 graph, and how near it must stay.

| precision | what changes | for |
|---|---|---|
| float32 | nothing | every machine |
| float16 | convolutions and what lies between them | GPUs |
| int8 | convolutions, with ranges from training clips | CPUs with VNNI or AMX, TensorRT |

The predictor stays in float32: it is small, and its state carries its rounding on.
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

# Keypoints in [-1, 1]: of random images 0.01 is 0.6 pixels of 128, of a training frame it is as
# much. Images in levels: an edge that is warped by a fraction of a pixel changes by many.
TOLERANCES: dict[Precision, dict[str, Tolerance]] = {
    "float16": {"keypoints": Tolerance(0.01), "image": Tolerance(32)},
    "int8": {"keypoints": Tolerance(0.1), "image": Tolerance(128)},
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is done to the graph of one model, and what the result is held to."""

    convert: Callable[[ModelProto], ModelProto]
    tolerances: dict[str, Tolerance]
    draw: Callable[[Case], Arrays] | None = None  # inputs of the comparison, if not random ones


def conversion(
    precision: Precision, specification: ModelSpecification, calibration: Calibration | None
) -> Conversion | None:
    """Returns how a keypoint or synthesis model becomes of a precision; None for float32.

    Raises ValueError when int8 is asked for without calibration.
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
