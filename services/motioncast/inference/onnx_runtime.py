"""ONNX Runtime inside the process: runs go to threads, a bounded number of them at once."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import onnxruntime

from motioncast.inference.engine import Array, Inference, ModelMetadata, TensorMetadata
from motioncast.inference.inputs import check_inputs
from motioncast.inference.repository import find_models
from motioncast.wire.errors import InvalidInputError, UnavailableError, UnknownModelError

_PROVIDERS: Final = ["CPUExecutionProvider"]
_ERRORS_ONLY: Final = 3
_FATAL_ONLY: Final = 4
_DTYPES: Final = {
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(bool)": np.bool_,
}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class OnnxRuntimeSettings:
    """How runs share the machine.

    Raises:
        InvalidInputError: When a value is less than 1.
    """

    intra_op_threads: int = field(default_factory=_cores)  # of one run
    max_concurrent_runs: int = field(default_factory=_cores)  # the others wait for their turn
    allow_spinning: bool = False  # idle threads that spin answer sooner and burn a core each

    def __post_init__(self) -> None:
        for name in ("intra_op_threads", "max_concurrent_runs"):
            if getattr(self, name) < 1:
                raise InvalidInputError.of(name, f"{getattr(self, name)} is less than 1")


class OnnxRuntimeEngine:
    """Serves every model of a repository, in its highest version, on the CPU.

    Args:
        repository: Folder of `<model>/<version>/model.onnx`.
        settings: How runs share the machine.
    """

    def __init__(self, repository: Path, settings: OnnxRuntimeSettings | None = None) -> None:
        self.repository = repository
        self.settings = settings or OnnxRuntimeSettings()
        self._models: dict[str, _Model] = {}
        self._threads: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        """Loads the models.

        Raises:
            InvalidInputError: The repository has no models, or one that cannot be read.
        """
        self._models = await asyncio.to_thread(self._load)
        self._threads = ThreadPoolExecutor(self.settings.max_concurrent_runs, "onnxruntime")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        self._models = {}

    async def infer(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        """Runs a model once; see `Engine.infer`."""
        if self._threads is None:
            raise UnavailableError("engine: not open")
        loaded = self._model(model)
        check_inputs(loaded.metadata, inputs)
        options = onnxruntime.RunOptions()
        options.log_severity_level = _FATAL_ONLY  # errors are raised, to log them is ours
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, loaded.run, inputs, options
            )
        except asyncio.CancelledError:
            options.terminate = True  # between two operators, if the run has begun
            task = asyncio.current_task()
            if task is not None and not task.cancelling():  # nobody gave up: the engine closed
                raise UnavailableError("engine: closed before the run began") from None
            raise

    def models(self) -> tuple[str, ...]:
        """Returns the names of the models, in order of the alphabet."""
        return tuple(self._models)

    def metadata(self, model: str) -> ModelMetadata:
        """Returns what a model takes and gives; UnknownModelError when there is none."""
        return self._model(model).metadata

    async def ready(self) -> bool:
        """Tells whether the engine is open."""
        return self._threads is not None

    def _load(self) -> dict[str, _Model]:
        options = session_options(self.settings)
        files = find_models(self.repository)
        return {name: _Model(name, file, options) for name, file in files.items()}

    def _model(self, name: str) -> _Model:
        try:
            return self._models[name]
        except KeyError:
            known = ", ".join(self._models) or "none"
            raise UnknownModelError(
                f"model: {name} is not in the repository; there are: {known}", field="model"
            ) from None


def session_options(settings: OnnxRuntimeSettings) -> Any:
    """Returns the settings as `onnxruntime.SessionOptions`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.intra_op_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    spinning = "1" if settings.allow_spinning else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    return options


class _Model:
    """One loaded model."""

    def __init__(self, name: str, file: Path, options: Any) -> None:
        try:
            self._session = onnxruntime.InferenceSession(file, options, providers=_PROVIDERS)
        except Exception as error:  # its errors share no other base
            raise InvalidInputError.of(
                "repository", f"{file} is not a model that ONNX Runtime can run ({error})"
            ) from error
        self.metadata = ModelMetadata(
            name,
            tuple(_tensor(argument, name) for argument in self._session.get_inputs()),
            tuple(_tensor(argument, name) for argument in self._session.get_outputs()),
        )
        self._outputs = [tensor.name for tensor in self.metadata.outputs]

    def run(self, inputs: Mapping[str, Array], options: Any) -> Inference:
        started = time.perf_counter()
        values = self._session.run(self._outputs, dict(inputs), options)
        seconds = time.perf_counter() - started
        return Inference(dict(zip(self._outputs, values, strict=True)), seconds)


def _tensor(argument: Any, model: str) -> TensorMetadata:
    """Returns ONNX Runtime's description of a tensor in our words; unnamed axes get a name."""
    if argument.type not in _DTYPES:
        raise InvalidInputError.of(
            "repository", f"the model {model} has {argument.name} of type {argument.type}"
        )
    shape = tuple(
        length if isinstance(length, int) else length or f"{argument.name}_axis{axis}"
        for axis, length in enumerate(argument.shape)
    )
    return TensorMetadata(argument.name, np.dtype(_DTYPES[argument.type]), shape)
