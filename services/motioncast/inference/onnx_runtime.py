"""ONNX Runtime in this process: runs execute in a bounded number of threads."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from motioncast.inference.checksums import FILE_NAME as CHECKSUMS
from motioncast.inference.checksums import verified_checksum
from motioncast.inference.codec_files import read_codec_file
from motioncast.inference.cores import usable_cores
from motioncast.inference.engine import (
    Array,
    Inference,
    ModelMetadata,
    ModelState,
)
from motioncast.inference.ensemble import Ensemble, find_ensembles, read_ensemble
from motioncast.inference.inputs import check_inputs
from motioncast.inference.onnx_tensors import describe
from motioncast.inference.parameters import read_parameters
from motioncast.inference.providers import Provider
from motioncast.inference.repository import find_models
from motioncast.wire.errors import InvalidInputError, UnavailableError, UnknownModelError

_log = logging.getLogger(__name__)

_ERRORS_ONLY: Final = 3
_FATAL_ONLY: Final = 4


@dataclass(frozen=True, slots=True)
class OnnxRuntimeSettings:
    """Which provider runs the models, and how runs share the machine.

    Raises:
        InvalidInputError: A value is less than 1.
    """

    intra_op_threads: int = field(default_factory=usable_cores)  # per run
    max_concurrent_runs: int = field(default_factory=usable_cores)  # others wait for their turn
    allow_spinning: bool = False  # idle threads that spin respond sooner but use a core each
    provider: Provider = field(default_factory=Provider)

    def __post_init__(self) -> None:
        for name in ("intra_op_threads", "max_concurrent_runs"):
            if getattr(self, name) < 1:
                raise InvalidInputError.of(name, f"{getattr(self, name)} is less than 1")


class OnnxRuntimeEngine:
    """Serves every model of a repository, in its highest version, with ONNX Runtime.

    A model that cannot be read, or does not match its checksum (`checksums`), is logged and
    reported by `states`; the others are served. An ensemble runs its models one after another;
    callers use it like any model.

    Args:
        repository: Folder of `<model>/<version>/model.onnx`.
        settings: Which provider runs the models, and how runs share the machine.
    """

    def __init__(self, repository: Path, settings: OnnxRuntimeSettings | None = None) -> None:
        self.repository = repository
        self.settings = settings or OnnxRuntimeSettings()
        self._models: dict[str, _Model | Ensemble] = {}
        self._missing: dict[str, ModelState] = {}  # in the repository, but not loaded
        self._threads: ThreadPoolExecutor | None = None
        self._loading = asyncio.Lock()  # one at a time, so that the newest stays

    async def __aenter__(self) -> Self:
        """Loads the models.

        Raises:
            InvalidInputError: The repository has no model, or no readable one; or the provider is
                not available.
        """
        await asyncio.to_thread(self._load_all)
        self._threads = ThreadPoolExecutor(self.settings.max_concurrent_runs, "onnxruntime")
        return self

    async def __aexit__(self, *exception: object) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        self._models, self._missing = {}, {}

    async def infer(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        """Runs a model once; see `Engine.infer`."""
        if self._threads is None:
            raise UnavailableError("engine: not open")
        loaded = self._model(model)
        if isinstance(loaded, Ensemble):
            return await loaded.run(inputs, self.infer)
        check_inputs(loaded.metadata, inputs)
        options = onnxruntime.RunOptions()
        options.log_severity_level = _FATAL_ONLY  # errors are raised, and logged here
        try:
            context = contextvars.copy_context()  # keeps the session's name for the log
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, context.run, loaded.run, inputs, options
            )
        except asyncio.CancelledError:
            options.terminate = True  # between two operators, if the run has begun
            task = asyncio.current_task()
            if (
                task is not None and not task.cancelling()
            ):  # not cancelled by the caller: the engine closed
                raise UnavailableError("engine: closed before the run began") from None
            raise

    def models(self) -> tuple[str, ...]:
        """Returns the names of the models, in alphabetical order."""
        return tuple(sorted(self._models))

    def offered(self) -> tuple[str, ...]:
        """Returns the names of all models of the repository, including those that cannot run."""
        return tuple(sorted({*self._models, *self._missing}))

    def states(self) -> tuple[ModelState, ...]:
        """Returns the state of every model of the repository, in alphabetical order."""
        loaded = (
            ModelState(name, model.version, True, sha256=getattr(model, "sha256", ""))
            for name, model in self._models.items()
        )
        return tuple(sorted((*loaded, *self._missing.values()), key=lambda state: state.name))

    def metadata(self, model: str) -> ModelMetadata:
        """Returns a model's inputs and outputs; see `Engine.metadata`."""
        return self._model(model).metadata

    async def ready(self) -> bool:
        """Returns whether the engine is open."""
        return self._threads is not None

    async def load(self, model: str) -> None:
        """Serves the highest version of a model that the repository has now.

        Runs in progress finish on the version they began with; the next run uses the new one. When
        the new one cannot be read, the previous one stays.

        Raises:
            UnknownModelError: The repository has no such model.
            InvalidInputError: The model cannot be read.
            UnavailableError: The engine is not open.
        """
        async with self._loading:
            files, ensembles = await asyncio.to_thread(self._find)
            try:
                if model in files:
                    loaded: _Model | Ensemble = await asyncio.to_thread(
                        _Model, model, files[model], self.settings
                    )
                elif model in ensembles:
                    loaded = self._ensemble(model)
                else:
                    raise self._unknown(model)
            except InvalidInputError as error:
                if model not in self._models:
                    self._miss(model, files.get(model), error)
                raise
            if self._threads is None:
                raise UnavailableError("engine: not open")
            self._models[model] = loaded
            self._missing.pop(model, None)

    async def unload(self, model: str) -> None:
        """Stops serving a model; runs in progress finish.

        Raises:
            UnknownModelError: The repository has no such model.
        """
        if model not in self._models and model not in self._missing:
            raise self._unknown(model)
        loaded = self._models.pop(model, None)
        if loaded is not None:
            self._missing[model] = ModelState(model, loaded.version, False, "unloaded")

    def _load_all(self) -> None:
        self.settings.provider.as_onnxruntime()  # checked before models are loaded
        failures = []
        files, ensembles = self._find()
        for name, file in files.items():
            try:
                self._models[name] = _Model(name, file, self.settings)
            except InvalidInputError as error:
                failures.append(error)
                self._miss(name, file, error)
        if not self._models:
            raise failures[0]
        loaded = (one for one in self._models.values() if isinstance(one, _Model))
        if unverified := sum(not one.sha256 for one in loaded):
            _log.info(
                "%d models of %s have no %s and are served unverified",
                unverified,
                self.repository,
                CHECKSUMS,
            )
        for name in ensembles:
            try:
                self._models[name] = self._ensemble(name)
            except InvalidInputError as error:
                self._miss(name, None, error)

    def _find(self) -> tuple[dict[str, Path], tuple[str, ...]]:
        """Returns the model files of the repository by model, and its ensembles."""
        return find_models(self.repository), find_ensembles(self.repository)

    def _ensemble(self, name: str) -> Ensemble:
        """Returns an ensemble; raises InvalidInputError unless all of its models are served."""
        ensemble = read_ensemble(self.repository, name)
        for step in ensemble.steps:
            if step.model not in self._models:
                raise InvalidInputError.of(
                    "repository", f"the model {step.model} of the ensemble {name} is not served"
                )
        return ensemble

    def _miss(self, name: str, file: Path | None, error: InvalidInputError) -> None:
        """Records why a model is not served; an ensemble has no file."""
        _log.error("the model %s is not served: %s", name, error)
        what = file.relative_to(self.repository) if file else f"the ensemble {name}"
        version = int(file.parent.name) if file else 1
        reason = f"{what} cannot be served; see the log"
        self._missing[name] = ModelState(name, version, False, reason)

    def _model(self, name: str) -> _Model | Ensemble:
        if name in self._models:
            return self._models[name]
        if name in self._missing:
            raise UnavailableError(
                f"model: {name} is not served: {self._missing[name].reason}", field="model"
            )
        raise self._unknown(name)

    def _unknown(self, name: str) -> UnknownModelError:
        known = ", ".join(self.models()) or "none"
        return UnknownModelError(
            f"model: {name} is not in the repository; available: {known}", field="model"
        )


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

    def __init__(self, name: str, file: Path, settings: OnnxRuntimeSettings) -> None:
        options, provider = session_options(settings), settings.provider
        self.sha256 = verified_checksum(file)  # "" if its folder has no checksums
        try:
            self._session = onnxruntime.InferenceSession(
                file, options, providers=provider.as_onnxruntime()
            )
        except Exception as error:  # its errors have no other common base
            raise InvalidInputError.of(
                "repository", f"{file} is not a model that ONNX Runtime can run ({error})"
            ) from error
        provider.check(self._session)
        self.version = int(file.parent.name)
        self.metadata = ModelMetadata(
            name,
            tuple(describe(argument, name) for argument in self._session.get_inputs()),
            tuple(describe(argument, name) for argument in self._session.get_outputs()),
            read_parameters(file.parents[2], name),
            read_codec_file(file.parents[1]),
        )
        self._outputs = [tensor.name for tensor in self.metadata.outputs]

    def run(self, inputs: Mapping[str, Array], options: Any) -> Inference:
        started = time.perf_counter()
        try:
            values = self._session.run(self._outputs, dict(inputs), options)
        except InvalidArgument as error:  # its message is about the graph, not about the request
            _log.info("%s: %s", self.metadata.name, error)
            raise InvalidInputError.of(
                "inputs", f"the model {self.metadata.name} cannot run on these values"
            ) from error
        seconds = time.perf_counter() - started
        return Inference(dict(zip(self._outputs, values, strict=True)), seconds)
