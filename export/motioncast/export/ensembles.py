"""Triton ensembles: the models of a configuration in a row, as one call.

    reconstruct       frames -> keypoints -> frames
    forecast          observed keypoints -> the keypoints of all M + N frames -> frames
    motion_transfer   observed frames -> keypoints -> those of all M + N frames -> frames

Every step and every tensor between two of them stands in config.pbtxt, so that Triton, and the
engine in the process, run them alike. What the networks cannot pass on to one another as it is
goes through the glue models (`motioncast.export.glue`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tritonclient.grpc import model_config_pb2 as triton
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.export import glue
from motioncast.export.glue import GlueModel
from motioncast.export.triton import latest_version

PARTS: Final = ("keypoint", "predictor", "synthesis")
FORECAST_BATCH: Final = 8  # sessions in one call: as many as the synthesis model takes

# Tensors that several models share; an ensemble's own tensors are called alike.
_SOURCE: Final = ("source_image", "source_keypoints")
_RECURRENCE: Final = ("observed", "noise", "state")
_FORECAST: Final = ("forecast", "half_width90", "next_state")
_OF_FRAMES: Final = ("frames", "detected")  # their first axis is frames, that of others sessions


@dataclass(frozen=True, slots=True)
class Step:
    """One model of an ensemble.

    Attributes:
        part: What follows the configuration in its name: "keypoint", "path" ...
        takes, gives: Its inputs and outputs, each with the ensemble's name for that tensor.
    """

    part: str
    takes: Mapping[str, str]
    gives: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ensemble:
    """One ensemble of a configuration: its steps, and which of their tensors are its own.

    Attributes:
        part: What follows the configuration in its name.
        max_batch_size: Sessions that one call may carry; 0: one session, its axis written out.
    """

    part: str
    description: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    max_batch_size: int = 0


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_PREDICT: Final = Step("predictor", _same("keypoints", *_RECURRENCE), _same(*_FORECAST))
_CHOOSE: Final = Step(
    "path", _same("keypoints", "observed", "forecast"), _same("driving_keypoints")
)
_SYNTHESISE: Final = Step("synthesis", _same(*_SOURCE, "driving_keypoints"), _same("image"))
_DETECT: Final = Step("keypoint", {"image": "frames"}, {"keypoints": "detected"})

RECONSTRUCT: Final = Ensemble(
    part="reconstruct",
    description="frames of one session in a row, its source -> their keypoints -> frames",
    inputs=("frames", *_SOURCE),
    outputs=("driving_keypoints", "image"),
    steps=(
        _DETECT,
        Step("sequence", {"keypoints": "detected"}, {"timeline": "driving_keypoints"}),
        _SYNTHESISE,
    ),
)
FORECAST: Final = Ensemble(
    part="forecast",
    description="a stretch of the timeline, its observed keypoints, the state before it, the source"
    " -> keypoints of every frame -> frames, and the state after it",
    inputs=("keypoints", *_RECURRENCE, *_SOURCE),
    outputs=("driving_keypoints", *_FORECAST, "image"),
    steps=(_PREDICT, _CHOOSE, _SYNTHESISE),
    max_batch_size=FORECAST_BATCH,
)
MOTION_TRANSFER: Final = Ensemble(
    part="motion_transfer",
    description="the observed frames of a stretch of one session, which of its frames they are, the"
    " state before it, the source -> keypoints of every frame -> frames, and the state after it",
    inputs=("frames", *_RECURRENCE, *_SOURCE),
    outputs=("driving_keypoints", *_FORECAST, "image"),
    steps=(
        _DETECT,
        Step(
            "arrange",
            {"keypoints": "detected", "observed": "observed"},
            {"timeline": "keypoints"},
        ),
        _PREDICT,
        _CHOOSE,
        _SYNTHESISE,
    ),
)
ENSEMBLES: Final = (RECONSTRUCT, FORECAST, MOTION_TRANSFER)


class EnsembleError(Exception):
    """Models that are to be joined do not fit one another; the message says where."""


def glue_models_of(name: str, networks: Mapping[str, ModelConfig]) -> tuple[GlueModel, ...]:
    """Returns the glue models of a configuration.

    Args:
        name: The configuration's.
        networks: How Triton is configured for the networks that exist, by part; see `PARTS`.
    """
    if not _has(networks, "keypoint", "synthesis"):
        return ()
    keypoints = int(networks["keypoint"].output[0].dims[-2])
    makers = [glue.sequence]
    if "predictor" in networks:
        makers += [glue.arrange, glue.path]
    return tuple(make(name, keypoints) for make in makers)


def ensembles_of(name: str, models: Mapping[str, ModelConfig]) -> dict[str, ModelConfig]:
    """Returns the configurations of those ensembles whose steps are all there, by name.

    Args:
        name: The configuration's.
        models: How Triton is configured for its networks and glue models, by part.

    Raises:
        EnsembleError: A tensor has other types or lengths in one model than in another.
    """
    return {
        f"{name}_{ensemble.part}": ensemble_config(name, ensemble, models)
        for ensemble in ENSEMBLES
        if _has(models, *(step.part for step in ensemble.steps))
    }


def ensemble_config(
    name: str, ensemble: Ensemble, models: Mapping[str, ModelConfig]
) -> ModelConfig:
    """Describes an ensemble of the configuration `name` to Triton; errors as `ensembles_of`."""
    tensors = _tensors(name, ensemble, models)
    config = ModelConfig(
        name=f"{name}_{ensemble.part}",
        platform="ensemble",
        max_batch_size=ensemble.max_batch_size,
        version_policy=latest_version(),
    )
    skipped = 1 if ensemble.max_batch_size else 0
    for tensor in ensemble.inputs:
        data_type, axes = tensors[tensor]
        config.input.add(name=tensor, data_type=data_type, dims=axes[skipped:])
    for tensor in ensemble.outputs:
        data_type, axes = tensors[tensor]
        config.output.add(name=tensor, data_type=data_type, dims=axes[skipped:])
    for step in ensemble.steps:
        config.ensemble_scheduling.step.add(
            model_name=f"{name}_{step.part}",
            model_version=-1,
            input_map=step.takes,
            output_map=step.gives,
        )
    return config


_Tensor = tuple["triton.DataType.ValueType", list[int]]  # type, all axes, -1 where any length goes


def _tensors(
    name: str, ensemble: Ensemble, models: Mapping[str, ModelConfig]
) -> dict[str, _Tensor]:
    """Returns every tensor of an ensemble as all of its steps together take and give it."""
    found: dict[str, _Tensor] = {}
    for step in ensemble.steps:
        config = models[step.part]
        for names, declared in ((step.takes, config.input), (step.gives, config.output)):
            tensors = {one.name: one for one in declared}
            for inner, outer in names.items():
                if inner not in tensors:
                    raise EnsembleError(f"{name}_{step.part}: has no tensor {inner}")
                axes = [*([-1] if config.max_batch_size else []), *tensors[inner].dims]
                one = (tensors[inner].data_type, axes)
                known = found.get(outer, one)
                if (agreed := _agreed(known, one)) is None:
                    raise EnsembleError(
                        f"{name}_{step.part}: {inner} has axes {axes}, but {known[1]} in the models"
                        f" that {name}_{ensemble.part} joins it to"
                    )
                found[outer] = agreed
    if not ensemble.max_batch_size:
        for outer in found.keys() - _OF_FRAMES:
            found[outer][1][0] = 1
    return found


def _agreed(one: _Tensor, other: _Tensor) -> _Tensor | None:
    """Returns what both allow, or None where they allow nothing in common."""
    if one[0] != other[0] or len(one[1]) != len(other[1]):
        return None
    pairs = list(zip(one[1], other[1], strict=True))
    if any(-1 not in pair and pair[0] != pair[1] for pair in pairs):
        return None
    return one[0], [max(pair) for pair in pairs]


def _has(models: Mapping[str, ModelConfig], *parts: str) -> bool:
    return all(part in models for part in parts)
