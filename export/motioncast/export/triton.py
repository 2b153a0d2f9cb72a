"""Prints a model's config.pbtxt and configs/gpu.pbtxt from Triton's own ModelConfig message.

https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto

`tritonserver --model-config-name=gpu` uses a model's configs/gpu.pbtxt if it has one, else its
config.pbtxt. The names of the thread and TensorRT parameters are those documented by Triton's ONNX
Runtime backend:
https://github.com/triton-inference-server/onnxruntime_backend/blob/main/README.md
"""

from __future__ import annotations

from typing import Final

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup, ModelWarmup

from motioncast.export.specification import GpuServing, ModelSpecification, TensorSpecification

VERSION: Final = 1
GPU_CONFIG_NAME: Final = "gpu"
ENGINE_CACHE: Final = "/var/cache/motioncast/tensorrt"  # on the server; keep it across restarts
_WORKSPACE_BYTES: Final = 2 * 2**30
_WARM_UP_FRAMES: Final = 2  # in a CPU warm-up: enough to allocate memory and start threads
_LONGEST_STRETCH: Final = 32  # frames that the orchestrator sends in one call
_DATA_TYPES: Final = {"uint8": triton.TYPE_UINT8, "float32": triton.TYPE_FP32}


def model_config(specification: ModelSpecification) -> ModelConfig:
    """Returns Triton's configuration of a model on CPUs; -1 marks a variable length.

    Raises KeyError for an element type without a Triton data type in `_DATA_TYPES`.
    """
    config = ModelConfig(
        name=specification.name,
        backend="onnxruntime",
        max_batch_size=specification.max_batch_size,
        input=[
            triton.ModelInput(
                name=tensor.name,
                data_type=_DATA_TYPES[tensor.element],
                dims=dims(tensor, specification.max_batch_size),
            )
            for tensor in specification.inputs
        ],
        output=[
            triton.ModelOutput(
                name=tensor.name,
                data_type=_DATA_TYPES[tensor.element],
                dims=dims(tensor, specification.max_batch_size),
            )
            for tensor in specification.outputs
        ],
        # Without this, Triton creates two instances on a CPU.
        instance_group=[ModelInstanceGroup(count=1, kind=ModelInstanceGroup.KIND_CPU)],
        version_policy=latest_version(),
        parameters={
            "intra_op_thread_count": triton.ModelParameter(string_value=str(specification.threads)),
            "inter_op_thread_count": triton.ModelParameter(string_value="1"),
            "execution_mode": triton.ModelParameter(string_value="0"),  # one operator at a time
            **{
                name: triton.ModelParameter(string_value=value)
                for name, value in specification.parameters.items()
            },
        },
        model_warmup=[_warm_up(specification, batch=1, time=_WARM_UP_FRAMES)],
    )
    if specification.dynamic_batching:
        # Joins calls already queued; a delay would add its full length to a lone call's latency.
        config.dynamic_batching.max_queue_delay_microseconds = 0
    return config


def gpu_config(specification: ModelSpecification, gpu: GpuServing) -> ModelConfig:
    """Returns Triton's configuration of a model on GPUs; tensors and names are as on CPUs."""
    config = model_config(specification)
    del config.instance_group[:]
    config.instance_group.add(count=gpu.instances, kind=ModelInstanceGroup.KIND_GPU)
    if specification.max_batch_size:
        config.dynamic_batching.preferred_batch_size[:] = gpu.preferred_batch_sizes
        config.dynamic_batching.max_queue_delay_microseconds = 0
    if gpu.tensorrt:
        config.optimization.execution_accelerators.gpu_execution_accelerator.add(
            name="tensorrt",
            parameters={
                "precision_mode": "FP16",
                "max_workspace_size_bytes": str(_WORKSPACE_BYTES),
                "trt_engine_cache_enable": "1",
                "trt_engine_cache_path": ENGINE_CACHE,
                "trt_engine_cache_prefix": specification.name,
                "trt_timing_cache_enable": "1",
                "trt_timing_cache_path": ENGINE_CACHE,
            },
        )
        # An engine serves the range of shapes it has seen: warm up with the smallest and largest.
        largest = max(gpu.preferred_batch_sizes, default=1)
        del config.model_warmup[:]
        config.model_warmup.append(_warm_up(specification, batch=1, time=1))
        config.model_warmup.append(_warm_up(specification, batch=largest, time=_LONGEST_STRETCH))
    return config


def print_config(specification: ModelSpecification) -> str:
    """Returns the text of config.pbtxt."""
    return print_message(specification.description, model_config(specification))


def print_gpu_config(specification: ModelSpecification, gpu: GpuServing) -> str:
    """Returns the text of configs/gpu.pbtxt."""
    description = f"on GPUs (tritonserver --model-config-name={GPU_CONFIG_NAME}):"
    description += f" {specification.description}"
    return print_message(description, gpu_config(specification, gpu))


def print_message(description: str, config: ModelConfig) -> str:
    """Returns a configuration as text, headed by a comment with its description."""
    text: str = text_format.MessageToString(config)
    if not config.max_batch_size:  # a zero is a default that is not printed; state it explicitly
        text = f"max_batch_size: 0\n{text}"
    return f"# {description}\n# Written by `motioncast export`.\n{text}"


def latest_version() -> triton.ModelVersionPolicy:
    """Returns the policy of serving only the highest version."""
    return triton.ModelVersionPolicy(latest=triton.ModelVersionPolicy.Latest(num_versions=1))


def dims(tensor: TensorSpecification, max_batch_size: int) -> list[int]:
    """Returns the axes as Triton counts them: without the batch axis, if there is one."""
    axes = tensor.axes[1:] if max_batch_size else tensor.axes
    return [-1 if isinstance(axis, str) else axis for axis in axes]


def _warm_up(specification: ModelSpecification, batch: int, time: int) -> ModelWarmup:
    """Returns a warm-up run on zeros, done before the model is reported ready."""
    warm_up = ModelWarmup(name=f"batch {batch}, {time} frames", batch_size=batch)
    for tensor in specification.inputs:
        shape = tensor.shape(batch, time)
        warm_up.inputs[tensor.name].CopyFrom(
            ModelWarmup.Input(
                data_type=_DATA_TYPES[tensor.element],
                dims=shape[1:] if specification.max_batch_size else shape,
                zero_data=True,
            )
        )
    return warm_up
