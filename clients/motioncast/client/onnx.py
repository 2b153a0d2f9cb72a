"""ONNX models on the sender's machine."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any

from motioncast.client.errors import MediaError, MissingExtraError


def open_model(model: str | PathLike[str], threads: int, what: str) -> Any:
    """Returns an `onnxruntime.InferenceSession` that runs on the CPU.

    Args:
        model: Path of the file.
        threads: Threads per call; 0 for one per core.
        what: What the file should contain, for the error message.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        MediaError: The file does not exist or cannot be read.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as in motioncast.inference
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            "models on this device need ONNX Runtime: pip install 'motioncast[device]'"
        ) from error
    path = Path(model)
    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no other common base class
        raise MediaError(f"{path}: not {what}") from error
