"""The small models that join the networks of a configuration into ensembles.

    sequence   keypoints of consecutive frames -> one timeline
    arrange    keypoints of the observed frames, which frames those are -> a timeline with gaps
    path       a timeline with gaps, its forecast -> the keypoints of every frame

The batch axis of the keypoint model is frames, that of predictor and synthesis is sessions. A
Triton ensemble only passes tensors on, so these models convert between the two.
Shapes: B batch, T time, K keypoints.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Final

import onnx
import onnx.parser
from onnx import ModelProto

from motioncast.export.graph import OPSET, check, finish
from motioncast.export.specification import (
    BATCH,
    OBSERVED,
    TIME,
    ModelSpecification,
    TensorSpecification,
)

LICENCE: Final = "Apache-2.0"
_IR_VERSION: Final = 10


@dataclass(frozen=True, slots=True)
class GlueModel:
    """A small model: its interface and its graph."""

    specification: ModelSpecification
    model: ModelProto


def sequence(name: str, keypoints: int) -> GlueModel:
    """Turns the keypoints of T frames, (T, K, 3), into one session's timeline, (1, T, K, 3)."""
    specification = _unbatched(
        name=f"{name}_sequence",
        description="keypoints of frames in a row -> the same as one session's timeline",
        inputs=(TensorSpecification("keypoints", "float32", (TIME, keypoints, 3)),),
        outputs=(TensorSpecification("timeline", "float32", (1, TIME, keypoints, 3)),),
    )
    return _glue_model(
        specification,
        """
        <int64[1] session = {0}>
        { timeline = Unsqueeze(keypoints, session) }
        """,
    )


def arrange(name: str, keypoints: int) -> GlueModel:
    """Places the keypoints of M observed frames, (M, K, 3), on a timeline of T, (1, T, K, 3).

    The m-th set of keypoints goes where the m-th 1 is in `observed` (1, T); other frames get zeros.
    A run fails if there are more ones than sets; surplus sets are ignored.
    """
    specification = _unbatched(
        name=f"{name}_arrange",
        description="keypoints of the observed frames, which of a timeline's frames those are"
        " -> the timeline, zeros where not observed",
        inputs=(
            TensorSpecification("keypoints", "float32", (OBSERVED, keypoints, 3)),
            TensorSpecification("observed", "float32", (1, TIME)),
        ),
        outputs=(TensorSpecification("timeline", "float32", (1, TIME, keypoints, 3)),),
    )
    return _glue_model(
        specification,
        """
        <float zero = {0}, int64 one = {1}, int64 time_axis = {1}, int64[2] set_axes = {2, 3}>
        {
            seen = Greater(observed, zero)
            counted = Cast<to = 7>(seen)
            reached = CumSum(counted, time_axis)
            place = Sub(reached, one)
            laid_out = Gather<axis = 0>(keypoints, place)
            given = Unsqueeze(seen, set_axes)
            timeline = Where(given, laid_out, zero)
        }
        """,
    )


def path(name: str, keypoints: int) -> GlueModel:
    """Chooses the keypoints of every frame: observed ones if there are any, else the forecast.

    Forecasts are clamped to the range of keypoints, as in the predictor service, because a motion
    forecast can overshoot.
    """
    timeline = (BATCH, TIME, keypoints, 3)
    specification = ModelSpecification(
        name=f"{name}_path",
        description="a timeline, which of its frames are observed, its forecast"
        " -> keypoints of every frame: observed, or else forecast and cut to their range",
        inputs=(
            TensorSpecification("keypoints", "float32", timeline),
            TensorSpecification("observed", "float32", (BATCH, TIME)),
            TensorSpecification("forecast", "float32", timeline),
        ),
        outputs=(TensorSpecification("driving_keypoints", "float32", timeline),),
        tolerances={},
        max_batch_size=64,
        dynamic_batching=True,
        threads=1,
    )
    return _glue_model(
        specification,
        """
        <float zero = {0}, int64[2] set_axes = {2, 3},
         float[3] lowest = {-1, -1, 0}, float[3] highest = {1, 1, 1}>
        {
            seen = Greater(observed, zero)
            given = Unsqueeze(seen, set_axes)
            raised = Max(forecast, lowest)
            within = Min(raised, highest)
            driving_keypoints = Where(given, keypoints, within)
        }
        """,
    )


def _unbatched(
    name: str,
    description: str,
    inputs: tuple[TensorSpecification, ...],
    outputs: tuple[TensorSpecification, ...],
) -> ModelSpecification:
    """Describes a glue model that serves one session per call, on one thread."""
    return ModelSpecification(
        name=name,
        description=description,
        inputs=inputs,
        outputs=outputs,
        tolerances={},
        max_batch_size=0,
        dynamic_batching=False,
        threads=1,
    )


def _glue_model(specification: ModelSpecification, body: str) -> GlueModel:
    """Builds and checks a model from a graph in ONNX's textual form."""
    takes = ", ".join(map(_declaration, specification.inputs))
    gives = ", ".join(map(_declaration, specification.outputs))
    model = onnx.parser.parse_model(
        f'<ir_version: {_IR_VERSION}, opset_import: ["" : {OPSET}]>\n'
        f"glue ({takes}) => ({gives})\n{body}"
    )
    version = importlib.metadata.version("motioncast")
    facts = {"name": specification.name, "version": version, "licence": LICENCE}
    finish(model, specification, facts)
    check(model)
    return GlueModel(specification, model)


def _declaration(tensor: TensorSpecification) -> str:
    return f"float[{', '.join(map(str, tensor.axes))}] {tensor.name}"
