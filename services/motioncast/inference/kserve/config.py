"""Triton's description of a model, config.pbtxt: read from the repository, or generated.

https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.inference.engine import ModelMetadata, TensorMetadata
from motioncast.inference.kserve.datatypes import config_type_of
from motioncast.wire.errors import InvalidInputError

FILE_NAME: Final = "config.pbtxt"
MAX_BATCH_SIZE: Final = 64  # for models without a description


def read_config(repository: Path, model: str) -> ModelConfig | None:
    """Returns the description in a model's folder; None when there is none.

    Raises:
        InvalidInputError: The file is not the description of a model with that name.
    """
    try:
        text = (repository / model / FILE_NAME).read_text("utf-8")
        config = text_format.Parse(text, ModelConfig())
    except FileNotFoundError:
        return None
    except (OSError, text_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidInputError.of(
            "repository", f"{model}/{FILE_NAME} does not describe a model ({error})"
        ) from None
    if config.name not in ("", model):
        raise InvalidInputError.of(
            "repository", f"{model}/{FILE_NAME} describes a model named {config.name}"
        )
    config.name = model
    return config


def made_config(metadata: ModelMetadata) -> ModelConfig:
    """Generates a model's description from its inputs and outputs.

    It is batched when the first axis of all inputs and outputs has the same name.
    """
    batched = _is_batched(metadata)
    kind = model_config_pb2.ModelInstanceGroup.KIND_CPU
    return ModelConfig(
        name=metadata.name,
        backend="onnxruntime",
        max_batch_size=MAX_BATCH_SIZE if batched else 0,
        input=[
            model_config_pb2.ModelInput(
                name=tensor.name,
                data_type=config_type_of(tensor.dtype),
                dims=dims(tensor)[batched:],
            )
            for tensor in metadata.inputs
        ],
        output=[
            model_config_pb2.ModelOutput(
                name=tensor.name,
                data_type=config_type_of(tensor.dtype),
                dims=dims(tensor)[batched:],
            )
            for tensor in metadata.outputs
        ],
        instance_group=[model_config_pb2.ModelInstanceGroup(count=1, kind=kind)],
        version_policy=model_config_pb2.ModelVersionPolicy(
            latest=model_config_pb2.ModelVersionPolicy.Latest(num_versions=1)
        ),
    )


def dims(tensor: TensorMetadata) -> list[int]:
    """Returns the lengths of a tensor's axes, -1 where they vary."""
    return [-1 if isinstance(length, str) else length for length in tensor.shape]


def _is_batched(metadata: ModelMetadata) -> bool:
    first = {tensor.shape[:1] for tensor in (*metadata.inputs, *metadata.outputs)}
    return (
        len(first) == 1
        and all(isinstance(axis, str) for axes in first for axis in axes)
        and (first != {()})
    )
