"""Writes config.pbtxt for the toy models from their ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import onnx
from support.toy_models import build_toy_repository

MAX_BATCH_SIZE: Final = 8
_TYPES: Final = {
    onnx.TensorProto.UINT8: "TYPE_UINT8",
    onnx.TensorProto.INT32: "TYPE_INT32",
    onnx.TensorProto.INT64: "TYPE_INT64",
    onnx.TensorProto.FLOAT: "TYPE_FP32",
}


def build_configured_repository(root: Path) -> Path:
    """Writes the three toy models and their configs; returns root."""
    build_toy_repository(root)
    for folder in root.iterdir():
        write_config(root, folder.name)
    return root


def write_config(
    root: Path, name: str, *, max_batch_size: int = MAX_BATCH_SIZE, queue_microseconds: int = 0
) -> None:
    """Writes `root/<name>/config.pbtxt` of an existing model.

    Args:
        root: The repository.
        name: Name of the model.
        max_batch_size: 0 for a model whose first axis is not the batch.
        queue_microseconds: How long a request waits for others to join its batch.
    """
    file = next((root / name).glob("*/model.onnx"))
    graph = onnx.load(file).graph
    lines = [
        f'name: "{name}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {max_batch_size}",
        "instance_group { count: 1 kind: KIND_CPU }",
        *(f"input {{ {_tensor(value, max_batch_size > 0)} }}" for value in graph.input),
        *(f"output {{ {_tensor(value, max_batch_size > 0)} }}" for value in graph.output),
    ]
    if max_batch_size > 0:
        lines.append(f"dynamic_batching {{ max_queue_delay_microseconds: {queue_microseconds} }}")
    (root / name / "config.pbtxt").write_text("\n".join(lines) + "\n")


def _tensor(value: Any, batched: bool) -> str:
    kind = value.type.tensor_type
    lengths = [axis.dim_value or -1 for axis in kind.shape.dim][int(batched) :]
    return f'name: "{value.name}" data_type: {_TYPES[kind.elem_type]} dims: {lengths}'
