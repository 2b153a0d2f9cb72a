"""The interface of an inference engine: named arrays in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """One input or output of a model.

    Attributes:
        name: The model's name for it.
        dtype: Type of its elements.
        shape: Lengths of its axes; a name where the length varies. Axes with the same name have the
            same length in a call.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """A model's inputs and outputs.

    Attributes:
        name: Name of the model.
        inputs, outputs: Its tensors.
        parameters: Parameters in its config.pbtxt, by name.
        codec_file: A keypoint model's codec tables file; empty if it has none.
    """

    name: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    codec_file: bytes = b""


@dataclass(frozen=True, slots=True)
class ModelState:
    """Whether a model of the repository can run.

    Attributes:
        name: Name of the model.
        version: The running version; if none runs, the one that would.
        ready: Whether it can run.
        reason: Why it cannot; "" when it can.
        sha256: Checksum of its file, in hexadecimal digits, if it was verified; otherwise "".
    """

    name: str
    version: int
    ready: bool
    reason: str = ""
    sha256: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Part:
    """One run of a model within the run of an ensemble.

    Attributes:
        model: Its name.
        length: Length of its inputs' first axis.
        seconds: Duration of the run, excluding the wait for its turn.
    """

    model: str
    length: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Inference:
    """The result of one run.

    Attributes:
        outputs: By name.
        seconds: Duration of the run, excluding the wait for its turn.
        parts: The runs within an ensemble, in order; empty for a model.
    """

    outputs: Mapping[str, Array]
    seconds: float
    parts: tuple[Part, ...] = ()

    def __getitem__(self, output: str) -> Array:
        return self.outputs[output]


class Engine(Protocol):
    """Runs the models of a repository from entering the block until leaving it."""

    async def infer(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        """Runs a model once.

        Cancelling the caller cancels its run: one that waits never begins, one that runs is asked
        to end early. Inputs must not be modified during the call.

        Raises:
            UnknownModelError: No model has that name.
            InvalidInputError: An input is missing, unknown, or of another type or shape.
            UnavailableError: The engine is not open, or the model is not loaded.
        """
        ...

    def models(self) -> tuple[str, ...]:
        """Returns the names of the models that can run, in alphabetical order."""
        ...

    def offered(self) -> tuple[str, ...]:
        """Returns the names of all models, including those that cannot run, in the same order."""
        ...

    def metadata(self, model: str) -> ModelMetadata:
        """Returns a model's inputs and outputs.

        Raises:
            UnknownModelError: No model has that name.
            UnavailableError: The model is not loaded.
        """
        ...

    async def ready(self) -> bool:
        """Returns whether a run could begin now."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class RepositoryEngine(Engine, Protocol):
    """An engine that runs a folder of models in this process; models can be loaded and unloaded."""

    repository: Path

    def states(self) -> tuple[ModelState, ...]:
        """Returns the state of every model in the repository, in alphabetical order."""
        ...

    async def load(self, model: str) -> None:
        """Serves the highest version of a model that the repository has now.

        Runs in progress finish on their version. When the new one cannot be read, the previous one
        stays.

        Raises:
            UnknownModelError: The repository has no such model.
            InvalidInputError: The model cannot be read.
            UnavailableError: The engine is not open.
        """
        ...

    async def unload(self, model: str) -> None:
        """Stops serving a model; runs in progress finish.

        Raises:
            UnknownModelError: The repository has no such model.
        """
        ...
