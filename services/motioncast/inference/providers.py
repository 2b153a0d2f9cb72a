"""ONNX Runtime's execution providers for the models in this process, and their precision.

    cpu        float32
    cuda       float32; for float16 the models have to be exported in float16
    tensorrt   float32 or float16, of the same float32 models

Whatever a provider does not support falls to the next one: tensorrt, then cuda, then cpu.
https://onnxruntime.ai/docs/execution-providers/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import onnxruntime

from motioncast.wire.errors import InvalidInputError

ProviderName: TypeAlias = Literal["cpu", "cuda", "tensorrt"]
Precision: TypeAlias = Literal["float32", "float16"]

_NAMES: Final[dict[ProviderName, str]] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """The execution provider of the models.

    Raises:
        InvalidInputError: There is no such provider, or it does not support that precision.
    """

    name: ProviderName = "cpu"
    precision: Precision = "float32"
    device: int = 0  # index of the GPU
    engine_cache: Path | None = None  # folder for TensorRT's engines; None: they are not kept

    def __post_init__(self) -> None:
        if self.name not in _NAMES:
            raise InvalidInputError.of(
                "provider", f"{self.name!r} is unknown (expected one of {', '.join(_NAMES)})"
            )
        if self.precision not in ("float32", "float16"):
            raise InvalidInputError.of("precision", f"{self.precision!r} is not float32 or float16")
        if self.precision == "float16" and self.name != "tensorrt":
            raise InvalidInputError.of(
                "precision",
                f"{self.name} uses the precision that the models were exported in; export them in"
                " float16 (motioncast export --precision float16), or use tensorrt",
            )
        if self.device < 0:
            raise InvalidInputError.of("device", f"{self.device} is less than 0")

    def as_onnxruntime(self) -> list[tuple[str, dict[str, str]]]:
        """Returns the providers to try, in order, each with its options.

        Raises:
            InvalidInputError: The installed ONNX Runtime has no such provider.
        """
        available = onnxruntime.get_available_providers()
        if _NAMES[self.name] not in available:
            has = ", ".join(name for name, theirs in _NAMES.items() if theirs in available)
            raise InvalidInputError.of(
                "provider",
                f"the installed ONNX Runtime does not support {self.name}, only {has}; for GPUs,"
                " install onnxruntime-gpu instead of onnxruntime (see docs/export.md)",
            )
        device = {"device_id": str(self.device)}
        # With TF32, float32 would lose precision.
        cuda = (_NAMES["cuda"], {**device, "use_tf32": "0"})
        cpu: tuple[str, dict[str, str]] = (_NAMES["cpu"], {})
        if self.name == "cpu":
            return [cpu]
        if self.name == "cuda":
            return [cuda, cpu]
        return [(_NAMES["tensorrt"], {**device, **self._tensorrt()}), cuda, cpu]

    def check(self, session: Any) -> None:
        """Raises InvalidInputError when a session fell back to another provider."""
        if _NAMES[self.name] not in session.get_providers():
            raise InvalidInputError.of(
                "provider", f"{self.name} could not be started; see ONNX Runtime's message"
            )

    def _tensorrt(self) -> dict[str, str]:
        options = {"trt_fp16_enable": "1" if self.precision == "float16" else "0"}
        if self.engine_cache is not None:
            options["trt_engine_cache_enable"] = "1"
            options["trt_engine_cache_path"] = str(self.engine_cache)
        return options
