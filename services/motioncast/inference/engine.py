"""What an inference engine is: named arrays go in, named arrays come out."""

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
        name: As the model calls it.
        dtype: Of its elements.
        shape: Lengths of its axes; a name where the length may vary. Axes of one name have one
            length in a call.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a model takes and gives.

    Attributes:
        name: Of the model.
        inputs, outputs: Its tensors.
        parameters: What its config.pbtxt says besides, by name.
        codec_file: Of a keypoint model, the file of its codec tables; empty where it has none.
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
        name: Of the model.
        version: That runs; when none does, the one that would.
        ready: Whether it can run.
        reason: Why it cannot; "" when it can.
        sha256: Checksum of its file, in hexadecimal digits, if it was compared; else "".
    """

    name: str
    version: int
    ready: bool
    reason: str = ""
    sha256: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Part:
    """One run of a model in the run of an ensemble.

    Attributes:
        model: Its name.
        length: Of the first axis of its inputs.
        seconds: How long it ran, without the wait for its turn.
    """

    model: str
    length: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Inference:
    """What one run gave.

    Attributes:
        outputs: By name.
        seconds: How long the model ran, without the wait for its turn.
        parts: The runs that an ensemble is made of, in their order; of a model none.
    """

    outputs: Mapping[str, Array]
    seconds: float
    parts: tuple[Part, ...] = ()

    def __getitem__(self, output: str) -> Array:
        return self.outputs[output]


class Engine(Protocol):
    """Runs the models of a repository from entering its block to leaving it."""

    async def infer(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        """Runs a model once.

        A caller that is cancelled gives its run up: one that waits is never begun, one that runs
        is told to end early. Inputs must not be written to meanwhile.

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
        """Returns the names of all models, those that cannot run too, likewise."""
        ...

    def metadata(self, model: str) -> ModelMetadata:
        """Returns what a model takes and gives.

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
    """An engine that runs a folder of models in this process; they come and go while it runs."""

    repository: Path

    def states(self) -> tuple[ModelState, ...]:
        """Returns what became of every model of the repository, in alphabetical order."""
        ...

    async def load(self, model: str) -> None:
        """Serves the highest version of a model that the repository has by now.

        Runs that have begun finish on their version. When the new one cannot be read,
        the one before it stays.

        Raises:
            UnknownModelError: The repository has no such model.
            InvalidInputError: The model cannot be read.
            UnavailableError: The engine is not open.
        """
        ...

    async def unload(self, model: str) -> None:
        """Stops serving a model; runs that have begun finish.

        Raises:
            UnknownModelError: The repository has no such model.
        """
        ...
