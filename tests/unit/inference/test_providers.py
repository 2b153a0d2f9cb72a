"""Execution providers are selected by name, or refused with an error."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
from support.toy_models import build_toy_repository

from motioncast.inference import OnnxRuntimeEngine, OnnxRuntimeSettings, Provider
from motioncast.wire.errors import InvalidInputError

HAS_GPU_RUNTIME = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def test_a_processor_needs_no_options() -> None:
    assert Provider().as_onnxruntime() == [("CPUExecutionProvider", {})]


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_float16_is_a_matter_of_the_models_or_of_tensorrt(name: str) -> None:
    with pytest.raises(InvalidInputError, match="motioncast export --precision float16"):
        Provider(name, "float16")  # type: ignore[arg-type]
    assert Provider("tensorrt", "float16").precision == "float16"


def test_what_is_no_provider_is_refused() -> None:
    with pytest.raises(
        InvalidInputError,
        match=r"provider: 'tpu' is unknown \(expected one of cpu, cuda, tensorrt\)",
    ):
        Provider("tpu")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="precision: 'int8' is not float32 or float16"):
        Provider("tensorrt", "int8")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="device: -1 is less than 0"):
        Provider("cuda", device=-1)


@pytest.mark.skipif(HAS_GPU_RUNTIME, reason="this ONNX Runtime is the one for GPUs")
@pytest.mark.parametrize("name", ["cuda", "tensorrt"])
async def test_a_provider_that_is_missing_is_named_when_the_engine_opens(
    name: str, tmp_path: Path
) -> None:
    settings = OnnxRuntimeSettings(provider=Provider(name))  # type: ignore[arg-type]
    engine = OnnxRuntimeEngine(build_toy_repository(tmp_path), settings)
    with pytest.raises(
        InvalidInputError, match=f"does not support {name}, only cpu; .* onnxruntime-gpu"
    ):
        await engine.__aenter__()


def test_tensorrt_falls_back_to_cuda_and_then_to_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: every)
    provider = Provider("tensorrt", "float16", device=1, engine_cache=Path("/cache"))
    found = provider.as_onnxruntime()
    assert [name for name, _ in found] == every
    # The names are those of ONNX Runtime's page on the TensorRT execution provider.
    assert found[0][1] == {
        "device_id": "1",
        "trt_fp16_enable": "1",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": "/cache",
    }
    assert found[1][1] == {"device_id": "1", "use_tf32": "0"}
