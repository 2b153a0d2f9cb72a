"""Opens an ONNX Runtime session from a Triton config, and checks whether model and config match."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import onnxruntime
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Config: TypeAlias = Mapping[str, Any]  # config.pbtxt as Triton passes it

# Threads per run if the config does not set them: the cores that Triton's process may use.
CORES_VARIABLE: Final = "MOTIONCAST_CORES"

_TYPES: Final = {
    "TYPE_BOOL": "tensor(bool)",
    "TYPE_UINT8": "tensor(uint8)",
    "TYPE_INT8": "tensor(int8)",
    "TYPE_UINT16": "tensor(uint16)",
    "TYPE_INT16": "tensor(int16)",
    "TYPE_UINT32": "tensor(uint32)",
    "TYPE_INT32": "tensor(int32)",
    "TYPE_UINT64": "tensor(uint64)",
    "TYPE_INT64": "tensor(int64)",
    "TYPE_FP16": "tensor(float16)",
    "TYPE_FP32": "tensor(float)",
    "TYPE_FP64": "tensor(double)",
}
_PROVIDERS: Final = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
# Options whose names in Triton's native backend differ from ONNX Runtime's.
_TENSORRT_OPTIONS: Final = {
    "max_workspace_size_bytes": "trt_max_workspace_size",
    "int8_calibration_table_name": "trt_int8_calibration_table_name",
    "int8_use_native_calibration_table": "trt_int8_use_native_calibration_table",
}
_PRECISIONS: Final = {
    "FP32": {},
    "FP16": {"trt_fp16_enable": "1"},
    "INT8": {"trt_int8_enable": "1"},
}
_GRAPH_LEVELS: Final = {  # of `optimization { graph { level } }`
    "-1": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "0": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "1": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "2": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


class UnfitError(Exception):
    """A model does not match its config, or cannot run on this machine; lists every problem."""


class RefusedError(Exception):
    """An input accepted by Triton does not fit the model."""


def open_session(file: Path, config: Config, device: tuple[str, str]) -> Any:
    """Returns an ONNX Runtime session with the config's threads and execution providers.

    The parameters have the names of Triton's native backend: `intra_op_thread_count`,
    `inter_op_thread_count`, `execution_mode`, `enable_mem_arena`, `enable_mem_pattern` and
    ONNX Runtime's own `session.*`; `optimization` has `graph { level }` and
    `execution_accelerators`.
    https://github.com/triton-inference-server/onnxruntime_backend#model-config-options

    Args:
        file: The model.
        config: Its config.
        device: Kind and number of the instance's device.

    Raises:
        UnfitError: The file cannot be run, or not by the providers that the config requests.
    """
    providers = execution_providers(config, device)
    lacking = [name for name, _ in providers if name not in onnxruntime.get_available_providers()]
    if lacking:
        has = ", ".join(onnxruntime.get_available_providers())
        raise UnfitError(f"the config requests {', '.join(lacking)}; this ONNX Runtime has {has}")
    if not file.is_file():
        raise UnfitError(f"version {file.parent.name} has no {file.name}")
    try:
        session = onnxruntime.InferenceSession(
            str(file), session_options(config), providers=providers
        )
    except Exception as error:  # ONNX Runtime's errors have no other common base
        raise UnfitError(f"ONNX Runtime cannot load its {file.name}") from error
    if session.get_providers()[0] != providers[0][0]:  # it falls back silently
        raise UnfitError(f"{providers[0][0]} could not be started")
    return session


def session_options(config: Config) -> Any:
    """Returns a config's parameters as `onnxruntime.SessionOptions`."""
    given = {name: it["string_value"] for name, it in config.get("parameters", {}).items()}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        threads = given.get("intra_op_thread_count", os.environ.get(CORES_VARIABLE, 0))
        options.intra_op_num_threads = int(threads)
        options.inter_op_num_threads = int(given.get("inter_op_thread_count", 0))
        if int(given.get("execution_mode", 0)):
            options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
        options.enable_cpu_mem_arena = bool(int(given.get("enable_mem_arena", 1)))
        options.enable_mem_pattern = bool(int(given.get("enable_mem_pattern", 1)))
        level = config.get("optimization", {}).get("graph", {}).get("level", 0)
        options.graph_optimization_level = _GRAPH_LEVELS[str(level)]
    except (KeyError, ValueError) as error:
        raise UnfitError(f"a parameter of its config has an invalid value: {error}") from None
    # Threads that spin between runs would take cores from other models' processes.
    for name, value in {"session.intra_op.allow_spinning": "0", **given}.items():
        if name.startswith("session."):
            options.add_session_config_entry(name, value)
    return options


def execution_providers(
    config: Config, device: tuple[str, str]
) -> list[tuple[str, dict[str, str]]]:
    """Returns ONNX Runtime's providers and their options, the preferred first.

    The order is Triton's: if the instance is on a GPU, the GPU's accelerators and CUDA, then the
    CPU's accelerators and the CPU.

    Raises:
        UnfitError: An accelerator or one of its parameters is unknown.
    """
    kind, number = device
    wanted = config.get("optimization", {}).get("execution_accelerators", {})
    on_gpu = list(wanted.get("gpu_execution_accelerator", [])) if kind == "GPU" else []
    if kind == "GPU" and all(accelerator["name"] != "cuda" for accelerator in on_gpu):
        on_gpu.append({"name": "cuda"})
    providers = []
    for accelerator in (*on_gpu, *wanted.get("cpu_execution_accelerator", [])):
        name = accelerator["name"]
        if name not in _PROVIDERS:
            raise UnfitError(f"the execution accelerator {name} is unknown")
        given = dict(accelerator.get("parameters", {}))
        options = _tensorrt_options(given) if name == "tensorrt" else given
        if accelerator in on_gpu:
            options["device_id"] = number
        providers.append((_PROVIDERS[name], options))
    return [*providers, ("CPUExecutionProvider", {})]


def _tensorrt_options(given: dict[str, str]) -> dict[str, str]:
    precision = given.pop("precision_mode", "FP32")
    if precision not in _PRECISIONS:
        raise UnfitError(f"tensorrt's precision_mode {precision} is not FP32, FP16 or INT8")
    options = dict(_PRECISIONS[precision])
    for name, value in given.items():
        if not name.startswith("trt_") and name not in _TENSORRT_OPTIONS:
            raise UnfitError(f"tensorrt has no parameter {name}")
        options[_TENSORRT_OPTIONS.get(name, name)] = value
    return options


def check_config(session: Any, config: Config) -> None:
    """Raises UnfitError with every difference between a model and its config."""
    batched = config["max_batch_size"] > 0
    problems = [
        *_differences("input", config["input"], session.get_inputs(), batched),
        *_differences("output", config["output"], session.get_outputs(), batched),
    ]
    if problems:
        raise UnfitError("the config does not match the model: " + "; ".join(problems))


def _differences(
    side: str, configured: Sequence[Config], tensors: Sequence[Any], batched: bool
) -> Iterator[str]:
    found = {tensor.name: tensor for tensor in tensors}
    for entry in configured:
        name, dims = entry["name"], [int(length) for length in entry["dims"]]
        tensor = found.pop(name, None)
        if tensor is None:
            yield f"the model has no {side} {name}"
            continue
        if _TYPES.get(entry["data_type"]) != tensor.type:
            yield f"{side} {name} is {entry['data_type']}, but {tensor.type} in the model"
        shape = [-1 if isinstance(axis, str) or axis is None else axis for axis in tensor.shape]
        # A length that may vary in the model may be fixed by the config, never the reverse.
        expected = [-1, *dims] if batched else dims
        if len(shape) != len(expected) or any(
            axis not in (-1, length) for axis, length in zip(shape, expected, strict=True)
        ):
            yield f"{side} {name} has dims {expected}, but {shape} in the model"
    if side == "input":  # an output missing in the config is never requested
        for name in found:
            yield f"the model's input {name} is missing in the config"


def check_axes(tensors: Sequence[Any], inputs: Mapping[str, Array]) -> None:
    """Raises RefusedError if axes that have the same name in the model differ in length.

    Args:
        tensors: The session's inputs.
        inputs: By name; Triton has checked their types and fixed lengths.
    """
    known: dict[str, tuple[int, str]] = {}
    for tensor in tensors:
        for axis, length in zip(tensor.shape, inputs[tensor.name].shape, strict=True):
            if not isinstance(axis, str):
                continue
            expected, where = known.setdefault(axis, (length, tensor.name))
            if length != expected:
                raise RefusedError(f"{tensor.name}: {axis} is {length}, but {expected} in {where}")
