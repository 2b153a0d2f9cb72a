"""What Triton gives to a Python backend inside its process, as far as ours uses it.

The module `triton_python_backend_utils` exists in the processes that Triton starts, and only there.
These are its documented classes without the server behind them.
https://github.com/triton-inference-server/python_backend#usage
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from numpy.typing import NDArray


class TritonModelException(Exception):  # noqa: N818 - the name is Triton's
    """Tells the server why a model cannot be loaded."""


class TritonError:
    """Tells a caller what went wrong."""

    INTERNAL: ClassVar = 1
    INVALID_ARG: ClassVar = 2
    CANCELLED: ClassVar = 3

    def __init__(self, message: str, code: int) -> None:
        self.message = message
        self.code = code


class Tensor:
    """A named array."""

    def __init__(self, name: str, array: NDArray[Any]) -> None:
        self._name = name
        self._array = array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> NDArray[Any]:
        return self._array


class InferenceRequest:
    """What one caller asks for; `is_cancelled` is asked of the caller each time."""

    def __init__(
        self,
        inputs: list[Tensor],
        outputs: list[str],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self.is_cancelled = is_cancelled

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def requested_output_names(self) -> list[str]:
        return self._outputs


class InferenceResponse:
    """What one caller gets."""

    def __init__(self, tensors: list[Tensor], error: TritonError | None = None) -> None:
        self.outputs = {tensor.name(): tensor.as_numpy() for tensor in tensors}
        self.error = error


class Logger:
    """The server's log."""

    lines: ClassVar[list[str]] = []

    @classmethod
    def log_error(cls, line: str) -> None:
        cls.lines.append(line)
