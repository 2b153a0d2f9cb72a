"""Ensembles: several models run as one, in the order that their tensors imply.

    inputs -> step -> tensors -> step -> ... -> outputs

An ensemble is a folder whose config.pbtxt has Triton's `ensemble_scheduling`; it has no model file.
https://github.com/triton-inference-server/server/blob/main/docs/user_guide/architecture.md
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from motioncast.inference.engine import Array, Inference, ModelMetadata, Part, TensorMetadata
from motioncast.inference.inputs import check_inputs
from motioncast.wire.errors import InvalidInputError

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig

_CONFIG: Final = "config.pbtxt"
_KEYWORD: Final = "ensemble_scheduling"

Infer: TypeAlias = Callable[[str, Mapping[str, Array]], Awaitable[Inference]]


@dataclass(frozen=True, slots=True)
class Step:
    """One model of an ensemble, and the ensemble's names for its tensors.

    Attributes:
        model: Its name.
        inputs, outputs: The ensemble's name of each tensor, by the model's own name.
    """

    model: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Models that run one after another.

    Attributes:
        metadata: The ensemble's inputs and outputs.
        version: The highest one in its folder.
        steps: Each after those whose outputs it needs.
    """

    metadata: ModelMetadata
    version: int
    steps: tuple[Step, ...]

    async def run(self, inputs: Mapping[str, Array], infer: Infer) -> Inference:
        """Runs the steps; `seconds` is the total of their models.

        Args:
            inputs: By name.
            infer: Runs one model; its errors are passed on.

        Raises:
            InvalidInputError: An input is missing, unknown, or of another type or shape.
        """
        check_inputs(self.metadata, inputs)
        tensors, parts = dict(inputs), list[Part]()
        for step in self.steps:
            taken = {inner: tensors[outer] for inner, outer in step.inputs.items()}
            run = await infer(step.model, taken)
            tensors |= {outer: run[inner] for inner, outer in step.outputs.items()}
            length = max((len(array) for array in taken.values() if array.ndim), default=1)
            parts.extend(run.parts or [Part(step.model, length, run.seconds)])
        return Inference(
            {one.name: tensors[one.name] for one in self.metadata.outputs},
            sum(part.seconds for part in parts),
            tuple(parts),
        )


def find_ensembles(repository: Path) -> tuple[str, ...]:
    """Returns the names of the folders that contain ensembles, in alphabetical order."""
    return tuple(
        file.parent.name
        for file in sorted(repository.glob(f"*/{_CONFIG}"))
        if _KEYWORD in file.read_text(encoding="utf-8", errors="replace")
    )


def read_ensemble(repository: Path, name: str) -> Ensemble:
    """Returns an ensemble of the repository.

    Raises:
        InvalidInputError: Its config.pbtxt cannot be read, it has no version, or its steps are
            incomplete: an input of a step, or an output, is never made.
    """
    config = _parse(repository, name)
    versions = [int(one.name) for one in (repository / name).iterdir() if one.name.isdecimal()]
    if not versions:
        raise InvalidInputError.of("repository", f"{name} has no version folder, such as {name}/1")
    steps = [
        Step(step.model_name, dict(step.input_map), dict(step.output_map))
        for step in config.ensemble_scheduling.step
    ]
    batched = config.max_batch_size > 0
    metadata = ModelMetadata(
        name,
        tuple(_tensor(one, batched) for one in config.input),
        tuple(_tensor(one, batched) for one in config.output),
    )
    return Ensemble(metadata, max(versions), _in_order(metadata, steps))


def _parse(repository: Path, name: str) -> ModelConfig:
    # Imported late, here and below: tritonclient is needed only for ensembles.
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    try:
        config = text_format.Parse((repository / name / _CONFIG).read_text("utf-8"), ModelConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidInputError.of(
            "repository", f"{name}/{_CONFIG} does not describe a model ({error})"
        ) from None
    if not config.HasField(_KEYWORD):
        raise InvalidInputError.of("repository", f"{name} is not an ensemble")
    return config


def _tensor(described: Any, batched: bool) -> TensorMetadata:
    from tritonclient.grpc.model_config_pb2 import DataType
    from tritonclient.utils import triton_to_np_dtype

    datatype = DataType.Name(described.data_type).removeprefix("TYPE_")
    dtype = triton_to_np_dtype(datatype)
    if dtype is None or dtype is np.object_:
        raise InvalidInputError.of(
            "repository", f"{described.name} has the unsupported type {datatype}"
        )
    axes = [
        f"{described.name}_axis{axis + batched}" if length < 0 else length
        for axis, length in enumerate(described.dims)
    ]
    shape = ("batch", *axes) if batched else tuple(axes)
    return TensorMetadata(described.name, np.dtype(dtype), shape)


def _in_order(metadata: ModelMetadata, steps: Iterable[Step]) -> tuple[Step, ...]:
    """Returns the steps, each after those whose outputs it needs."""
    made = {one.name for one in metadata.inputs}
    ordered: list[Step] = []
    waiting = list(steps)
    while waiting:
        step = next((one for one in waiting if made.issuperset(one.inputs.values())), None)
        if step is None:
            missing = sorted(set(waiting[0].inputs.values()) - made)
            raise InvalidInputError.of(
                "repository",
                f"{metadata.name}: no step before {waiting[0].model} produces {', '.join(missing)}",
            )
        if twice := made.intersection(step.outputs.values()):
            raise InvalidInputError.of(
                "repository", f"{metadata.name}: {sorted(twice)[0]} is produced twice"
            )
        waiting.remove(step)
        ordered.append(step)
        made.update(step.outputs.values())
    for output in metadata.outputs:
        if output.name not in made:
            raise InvalidInputError.of(
                "repository", f"{metadata.name}: no step produces {output.name}"
            )
    return tuple(ordered)
