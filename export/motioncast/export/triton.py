"""config.pbtxt of a model, printed from Triton's own ModelConfig message.

https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
"""

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.export.specification import ModelSpecification, TensorSpecification

VERSION = 1
_DATA_TYPES = {"uint8": model_config_pb2.TYPE_UINT8, "float32": model_config_pb2.TYPE_FP32}


def model_config(specification: ModelSpecification) -> ModelConfig:
    """Describes a model to Triton; dims are without the batch axis, -1 where a length may vary."""
    config = ModelConfig(
        name=specification.name,
        backend="onnxruntime",
        max_batch_size=specification.max_batch_size,
        input=[
            model_config_pb2.ModelInput(
                name=tensor.name, data_type=_DATA_TYPES[tensor.element], dims=_dims(tensor)
            )
            for tensor in specification.inputs
        ],
        output=[
            model_config_pb2.ModelOutput(
                name=tensor.name, data_type=_DATA_TYPES[tensor.element], dims=_dims(tensor)
            )
            for tensor in specification.outputs
        ],
        # Without it Triton makes two instances on a CPU.
        instance_group=[
            model_config_pb2.ModelInstanceGroup(
                count=1, kind=model_config_pb2.ModelInstanceGroup.KIND_CPU
            )
        ],
        version_policy=model_config_pb2.ModelVersionPolicy(
            latest=model_config_pb2.ModelVersionPolicy.Latest(num_versions=1)
        ),
    )
    if specification.dynamic_batching:
        # Joins what is queued already; any delay would be added in full to a lone call.
        config.dynamic_batching.max_queue_delay_microseconds = 0
    return config


def print_config(specification: ModelSpecification) -> str:
    """Returns the text of config.pbtxt."""
    text: str = text_format.MessageToString(model_config(specification))
    return f"# {specification.description}\n# Written by `motioncast export`.\n{text}"


def _dims(tensor: TensorSpecification) -> list[int]:
    return [-1 if isinstance(axis, str) else axis for axis in tensor.axes[1:]]
