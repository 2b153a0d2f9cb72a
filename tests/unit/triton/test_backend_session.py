"""Session options from a config, and checks that the model matches the config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from support.toy_models import write_model

from motioncast.triton.backend.session import (
    UnfitError,
    check_config,
    execution_providers,
    open_session,
    session_options,
)

_MODEL = "m (float[B, N] x, uint8[B, 4] z) => (float[B, N] y) { y = Add(x, x) }"
_CPU = ("CPU", "0")
_GPU = ("GPU", "1")


def _config(*, batch: int = 8, x: Any = ("FP32", [-1]), z: Any = ("UINT8", [4])) -> dict[str, Any]:
    return {
        "max_batch_size": batch,
        "input": [
            {"name": name, "data_type": f"TYPE_{kind}", "dims": dims}
            for name, (kind, dims) in (("x", x), ("z", z))
        ],
        "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": x[1]}],
    }


def _accelerated(side: str, *accelerators: dict[str, Any]) -> dict[str, Any]:
    return {
        "optimization": {"execution_accelerators": {f"{side}_execution_accelerator": accelerators}}
    }


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("session")
    write_model(root, "m", _MODEL)
    return open_session(root / "m" / "1" / "model.onnx", _config(), _CPU)


@pytest.mark.parametrize("x", [("FP32", [-1]), ("FP32", [7])])
def test_a_config_may_fix_a_length_that_the_model_leaves_open(session: Any, x: Any) -> None:
    check_config(session, _config(x=x))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (_config(x=("FP16", [-1])), "input x is TYPE_FP16, but tensor(float) in the model"),
        (_config(x=("STRING", [-1])), "input x is TYPE_STRING, but tensor(float) in the model"),
        (_config(z=("UINT8", [-1])), "input z has dims [-1, -1], but [-1, 4] in the model"),
        (_config(z=("UINT8", [3])), "input z has dims [-1, 3], but [-1, 4] in the model"),
        (_config(z=("UINT8", [4, 1])), "input z has dims [-1, 4, 1], but [-1, 4] in the model"),
        (_config(batch=0), "input z has dims [4], but [-1, 4] in the model"),
        (_config() | {"input": _config()["input"][:1]}, "the model's input z is missing"),
        (
            _config() | {"output": [{"name": "v", "data_type": "TYPE_FP32", "dims": [1]}]},
            "the model has no output v",
        ),
    ],
)
def test_a_difference_between_model_and_config_is_told(
    session: Any, config: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UnfitError) as refused:
        check_config(session, config)
    assert problem in str(refused.value)


def test_all_differences_are_told_at_once(session: Any) -> None:
    with pytest.raises(UnfitError) as refused:
        check_config(session, _config(x=("FP16", [-1]), z=("INT8", [3])))
    assert str(refused.value).count("; ") == 2


def test_parameters_have_the_names_of_tritons_native_backend() -> None:
    given = {
        "intra_op_thread_count": "3",
        "inter_op_thread_count": "2",
        "execution_mode": "1",
        "enable_mem_arena": "0",
        "enable_mem_pattern": "0",
        "session.set_denormal_as_zero": "1",
        "something_else": "x",
    }
    options = session_options(
        {
            "parameters": {name: {"string_value": value} for name, value in given.items()},
            "optimization": {"graph": {"level": -1}},
        }
    )
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 2
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert not options.enable_cpu_mem_arena
    assert not options.enable_mem_pattern
    assert options.get_session_config_entry("session.set_denormal_as_zero") == "1"
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC


@pytest.mark.parametrize(("given", "spins"), [({}, "0"), ({"string_value": "1"}, "1")])
def test_idle_threads_spin_when_the_config_says_so(given: dict[str, str], spins: str) -> None:
    name = "session.intra_op.allow_spinning"
    options = session_options({"parameters": {name: given} if given else {}})
    assert options.get_session_config_entry(name) == spins


def test_a_parameter_that_is_no_number_is_told() -> None:
    config = {"parameters": {"intra_op_thread_count": {"string_value": "many"}}}
    with pytest.raises(UnfitError, match="many"):
        session_options(config)


def test_an_instance_on_a_cpu_runs_on_the_cpu() -> None:
    tensorrt = _accelerated("gpu", {"name": "tensorrt"})
    assert execution_providers(tensorrt, _CPU) == [("CPUExecutionProvider", {})]


def test_an_instance_on_a_gpu_prefers_its_accelerators_then_cuda_then_the_cpu() -> None:
    config = _accelerated(
        "gpu",
        {
            "name": "tensorrt",
            "parameters": {
                "precision_mode": "FP16",
                "max_workspace_size_bytes": "1073741824",
                "trt_engine_cache_enable": "1",
            },
        },
    )
    assert execution_providers(config, _GPU) == [
        (
            "TensorrtExecutionProvider",
            {
                "trt_fp16_enable": "1",
                "trt_max_workspace_size": "1073741824",
                "trt_engine_cache_enable": "1",
                "device_id": "1",
            },
        ),
        ("CUDAExecutionProvider", {"device_id": "1"}),
        ("CPUExecutionProvider", {}),
    ]


def test_the_options_of_cuda_are_passed_on() -> None:
    cuda = {"name": "cuda", "parameters": {"cudnn_conv_use_max_workspace": "0"}}
    assert execution_providers(_accelerated("gpu", cuda), _GPU) == [
        ("CUDAExecutionProvider", {"cudnn_conv_use_max_workspace": "0", "device_id": "1"}),
        ("CPUExecutionProvider", {}),
    ]


@pytest.mark.parametrize(
    ("accelerator", "problem"),
    [
        ({"name": "abacus"}, "the execution accelerator abacus is unknown"),
        (
            {"name": "tensorrt", "parameters": {"precision_mode": "FP8"}},
            "tensorrt's precision_mode FP8 is not FP32, FP16 or INT8",
        ),
        (
            {"name": "tensorrt", "parameters": {"speed": "high"}},
            "tensorrt has no parameter speed",
        ),
    ],
)
def test_what_no_accelerator_knows_is_told(accelerator: dict[str, Any], problem: str) -> None:
    with pytest.raises(UnfitError, match=f"^{problem}$"):
        execution_providers(_accelerated("gpu", accelerator), _GPU)


def test_a_provider_that_is_not_there_is_told_before_the_model_is_read(tmp_path: Path) -> None:
    config = _config() | _accelerated("cpu", {"name": "openvino"})
    with pytest.raises(UnfitError, match=r"^the config requests OpenVINOExecutionProvider; this "):
        open_session(tmp_path / "1" / "model.onnx", config, _CPU)


def test_a_version_without_a_model_is_told_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(UnfitError, match=r"^version 3 has no model\.onnx$"):
        open_session(tmp_path / "3" / "model.onnx", _config(), _CPU)
