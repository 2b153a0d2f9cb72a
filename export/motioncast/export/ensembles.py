"""Triton ensembles: the models of a configuration chained into a single call.

    reconstruct       frames -> keypoints -> frames
    forecast          observed keypoints -> the keypoints of all M + N frames -> frames
    motion_transfer   observed frames -> keypoints -> keypoints of all M + N frames -> frames

If the configuration has a registration model, it runs after the detector, as in the services.

config.pbtxt lists every step and every tensor passed between steps, so Triton and the in-process
engine run an ensemble the same way. Tensors that one network cannot pass to the next unchanged go
through the glue models (`motioncast.export.glue`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tritonclient.grpc import model_config_pb2 as triton
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.export import glue
from motioncast.export.glue import GlueModel
from motioncast.export.triton import latest_version

PARTS: Final = ("keypoint", "registration", "predictor", "synthesis")
FORECAST_BATCH: Final = 8  # sessions in one call: the synthesis model's maximum

# Tensors that several models share; the ensembles use the same names.
_SOURCE: Final = ("source_image", "source_keypoints")
_RECURRENCE: Final = ("observed", "noise", "state")
_FORECAST: Final = ("forecast", "half_width90", "next_state")
# Their first axis is frames; that of other tensors is sessions.
_OF_FRAMES: Final = ("frames", "detected", "registered")


@dataclass(frozen=True, slots=True)
class Step:
    """One model of an ensemble.

    Attributes:
        part: The model name's suffix after the configuration: "keypoint", "path" ...
        takes, gives: Its inputs and outputs, each mapped to the ensemble's name for that tensor.
    """

    part: str
    takes: Mapping[str, str]
    gives: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ensemble:
    """One ensemble of a configuration: its steps, and the tensors it takes and returns.

    Attributes:
        part: The ensemble name's suffix after the configuration.
        max_batch_size: Most sessions in one call; 0: one session, whose axis is explicit.
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
_REGISTER: Final = Step(
    "registration",
    {**_same(*_SOURCE), "image": "frames", "keypoints": "detected"},
    _same("registered"),
)

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
    """Models to be joined do not fit one another; the message says where."""


def glue_models_of(name: str, networks: Mapping[str, ModelConfig]) -> tuple[GlueModel, ...]:
    """Returns the glue models of a configuration.

    Args:
        name: The configuration's name.
        networks: The Triton configurations of the existing networks, by part; see `PARTS`.
    """
    if not _has(networks, "keypoint", "synthesis"):
        return ()
    keypoints = int(networks["keypoint"].output[0].dims[-2])
    makers = [glue.sequence]
    if "predictor" in networks:
        makers += [glue.arrange, glue.path]
    return tuple(make(name, keypoints) for make in makers)


def ensembles_of(name: str, models: Mapping[str, ModelConfig]) -> dict[str, ModelConfig]:
    """Returns the configurations of the ensembles whose steps all exist, by name.

    Args:
        name: The configuration's name.
        models: The Triton configurations of its networks and glue models, by part.

    Raises:
        EnsembleError: A tensor's type or lengths differ between two models.
    """
    return {
        f"{name}_{ensemble.part}": ensemble_config(name, ensemble, models)
        for ensemble in (_registering(one, models) for one in ENSEMBLES)
        if _has(models, *(step.part for step in ensemble.steps))
    }


def _registering(ensemble: Ensemble, models: Mapping[str, ModelConfig]) -> Ensemble:
    """Returns the ensemble with a registration of what it detects, if there is a model for it."""
    if _DETECT not in ensemble.steps or not _has(models, "registration"):
        return ensemble
    first, following, *rest = ensemble.steps
    takes = {**following.takes, "keypoints": "registered"}
    steps = (first, _REGISTER, replace(following, takes=takes), *rest)
    return replace(ensemble, steps=steps)


def ensemble_config(
    name: str, ensemble: Ensemble, models: Mapping[str, ModelConfig]
) -> ModelConfig:
    """Returns Triton's configuration of one ensemble of `name`; raises as `ensembles_of`."""
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


_Tensor = tuple["triton.DataType.ValueType", list[int]]  # type, all axes; -1: any length


def _tensors(
    name: str, ensemble: Ensemble, models: Mapping[str, ModelConfig]
) -> dict[str, _Tensor]:
    """Returns type and axes of every tensor of an ensemble, as agreed between all its steps."""
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
                        f"{name}_{step.part}: {inner} has axes {axes} (expected {known[1]},"
                        f" as in the models that {name}_{ensemble.part} connects it to)"
                    )
                found[outer] = agreed
    if not ensemble.max_batch_size:
        for outer in found.keys() - _OF_FRAMES:
            found[outer][1][0] = 1
    return found


def _agreed(one: _Tensor, other: _Tensor) -> _Tensor | None:
    """Returns the type and axes that fit both, or None if nothing does."""
    if one[0] != other[0] or len(one[1]) != len(other[1]):
        return None
    pairs = list(zip(one[1], other[1], strict=True))
    if any(-1 not in pair and pair[0] != pair[1] for pair in pairs):
        return None
    return one[0], [max(pair) for pair in pairs]


def _has(models: Mapping[str, ModelConfig], *parts: str) -> bool:
    return all(part in models for part in parts)
