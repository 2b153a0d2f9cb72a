"""The models of an engine in the protocol's messages."""

from __future__ import annotations

import logging
from typing import Any, Final

from tritonclient.grpc import service_pb2
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.inference import ModelState, RepositoryEngine
from motioncast.inference.codec_files import PARAMETER
from motioncast.inference.kserve.config import dims, made_config, read_config
from motioncast.inference.kserve.datatypes import datatype_of
from motioncast.wire.errors import InvalidInputError, UnavailableError, UnknownModelError

_PLATFORM: Final = "onnxruntime_onnx"  # Triton's name for the runtime of an ONNX file
_ENSEMBLE: Final = "ensemble"

_log = logging.getLogger(__name__)


class ServedModels:
    """The models of an engine, with their versions and descriptions.

    A model whose config.pbtxt cannot be read is not ready.
    """

    def __init__(self, engine: RepositoryEngine) -> None:
        self._engine = engine
        self._configs: dict[tuple[str, int], ModelConfig | None] = {}  # None: unreadable

    def states(self) -> tuple[ModelState, ...]:
        """Returns the state of every model in the repository."""
        return tuple(map(self._judge, self._engine.states()))

    def resolve(self, name: str, version: str) -> ModelState:
        """Returns a model that can run.

        Args:
            name: Name of the model.
            version: Requested version; "" for the served one.

        Raises:
            UnknownModelError: There is no such model, or not in that version.
            UnavailableError: It cannot run.
            InvalidInputError: The version is not a number.
        """
        state = self.find(name, version)
        if not state.ready:
            raise UnavailableError(f"model: {name} cannot run: {state.reason}", field="model")
        return state

    def find(self, name: str, version: str) -> ModelState:
        """Returns a model of the repository, even if it cannot run; see `resolve`."""
        if version and not version.isdecimal():
            raise InvalidInputError.of("version", f"{version!r} is not a number")
        states = {state.name: state for state in self._engine.states()}
        if name not in states:
            known = ", ".join(states) or "none"
            raise UnknownModelError(
                f"model: {name} is not in the repository; available: {known}", field="model"
            )
        state = self._judge(states[name])
        if version and int(version) != state.version:
            raise UnknownModelError(
                f"model: {name} is served in version {state.version}, not {version}",
                field="version",
            )
        return state

    def config(self, state: ModelState) -> ModelConfig:
        """Returns the description of a model that can run."""
        config = self._configs[state.name, state.version]
        assert config is not None
        return config

    def metadata(self, state: ModelState) -> Any:
        """Returns the inputs and outputs of a model that can run, as a ModelMetadataResponse."""
        metadata, config = self._engine.metadata(state.name), self.config(state)
        tensor = service_pb2.ModelMetadataResponse.TensorMetadata
        return service_pb2.ModelMetadataResponse(
            name=state.name,
            versions=[str(state.version)],
            platform=_ENSEMBLE if config.HasField("ensemble_scheduling") else _PLATFORM,
            inputs=[
                tensor(name=each.name, datatype=datatype_of(each.dtype), shape=dims(each))
                for each in metadata.inputs
            ],
            outputs=[
                tensor(name=each.name, datatype=datatype_of(each.dtype), shape=dims(each))
                for each in metadata.outputs
            ],
        )

    def forget(self, name: str) -> None:
        """Discards a model's description, which is read again when next needed."""
        self._configs = {key: config for key, config in self._configs.items() if key[0] != name}

    def _judge(self, state: ModelState) -> ModelState:
        """Returns a model's state; not ready if its description is unreadable."""
        if not state.ready:
            return state
        key = (state.name, state.version)
        if key not in self._configs:
            self._configs[key] = self._read(state.name)
        if self._configs[key] is None:
            reason = f"{state.name}/config.pbtxt cannot be read; see the log"
            return ModelState(state.name, state.version, False, reason)
        return state

    def _read(self, name: str) -> ModelConfig | None:
        try:
            config = read_config(self._engine.repository, name)
        except InvalidInputError as error:
            _log.error("the model %s is not served: %s", name, error)
            return None
        metadata = self._engine.metadata(name)
        config = made_config(metadata) if config is None else config
        if metadata.codec_file:
            config.parameters[PARAMETER].string_value = metadata.codec_file.decode()
        return config
