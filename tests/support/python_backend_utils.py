"""A stand-in for the part of `triton_python_backend_utils` that our Python backend uses.

That module exists only in processes started by Triton. These are its documented classes without
the server behind them.
https://github.com/triton-inference-server/python_backend#usage
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from numpy.typing import NDArray


class TritonModelException(Exception):  # noqa: N818 - the name is Triton's
    """Raised to tell the server why a model cannot be loaded."""


class TritonError:
    """An error returned to a caller."""

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
    """One caller's request; `is_cancelled` is evaluated on each call."""

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
    """The response to one caller."""

    def __init__(self, tensors: list[Tensor], error: TritonError | None = None) -> None:
        self.outputs = {tensor.name(): tensor.as_numpy() for tensor in tensors}
        self.error = error


class Logger:
    """The server's log."""

    lines: ClassVar[list[str]] = []

    @classmethod
    def log_error(cls, line: str) -> None:
        cls.lines.append(line)
