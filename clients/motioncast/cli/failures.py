"""Failures in the user's words. What is not known here is a bug, and keeps its traceback."""

from __future__ import annotations

from typing import Final

# the module that is missing -> the extra that brings it
_EXTRAS: Final = {
    **dict.fromkeys(("jinja2", "rich", "skimage", "typer"), "cli"),
    **dict.fromkeys(
        ("grpc_health", "grpc_reflection", "onnxruntime", "prometheus_client"), "serve"
    ),
    **dict.fromkeys(("tensorboard", "torch", "torchmetrics", "tqdm"), "train"),
    **dict.fromkeys(("onnx", "onnxscript", "tritonclient"), "export"),
}


class CommandError(Exception):
    """A command cannot go on; its text is one sentence for the user."""


def explain(error: Exception) -> str | None:
    """Returns the sentence for a failure that was foreseen, None for a bug."""
    if isinstance(error, ModuleNotFoundError):
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        return extra and f"this needs {error.name}: pip install 'motioncast[{extra}]'"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    # They import gRPC, which `--help` and a missing extra can do without.
    from motioncast.client import MotioncastError
    from motioncast.wire.errors import DomainError

    if isinstance(error, CommandError | DomainError | MotioncastError | OSError):
        return str(error)
    return None
