"""A Triton model repository on disk: every model appears in it whole or not at all.

<repository>/<model>/config.pbtxt        on CPUs, and read by the in-process ONNX Runtime
<repository>/<model>/configs/gpu.pbtxt   on GPUs
<repository>/<model>/1/model.onnx        not in ensembles
<repository>/<model>/codec.json          tables of the keypoint codec, if a detector has them
<repository>/<model>/SHA256SUMS          of the files above; verified on loading
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from google.protobuf import text_format
from onnx import ModelProto
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.codec.tables_file import FILE_NAME as CODEC_FILE
from motioncast.export.specification import ModelSpecification
from motioncast.export.triton import (
    GPU_CONFIG_NAME,
    VERSION,
    print_config,
    print_gpu_config,
    print_message,
)
from motioncast.inference.checksums import write_checksums

CONFIG_FILE: Final = "config.pbtxt"
# Triton requires a version folder even for ensembles, and version control keeps no empty folders.
_NO_MODEL: Final = (
    "An ensemble has no file of its own; config.pbtxt names the models it consists of.\n"
)


def write_model(repository: Path, specification: ModelSpecification, model: ModelProto) -> Path:
    """Writes one model, replacing an older one of the same name, and returns its ONNX file.

    The model is written to a temporary folder and renamed, so a reader sees either the old model or
    the new one. Codec tables are kept: they remain valid, if not optimal, for any model with the
    same number of keypoints.
    """
    tables = repository / specification.name / CODEC_FILE

    def fill(folder: Path) -> None:
        (folder / str(VERSION) / "model.onnx").write_bytes(
            model.SerializeToString(deterministic=True)
        )
        if tables.is_file():
            (folder / CODEC_FILE).write_bytes(tables.read_bytes())
        write_checksums(folder)
        _write_text(folder / CONFIG_FILE, print_config(specification))
        if specification.gpu is not None:
            gpu_config = folder / "configs" / f"{GPU_CONFIG_NAME}.pbtxt"
            gpu_config.parent.mkdir()
            _write_text(gpu_config, print_gpu_config(specification, specification.gpu))

    return _write(repository, specification.name, fill) / str(VERSION) / "model.onnx"


def write_ensemble(repository: Path, description: str, config: ModelConfig) -> Path:
    """Writes one ensemble in the same way and returns its config.pbtxt."""

    def fill(folder: Path) -> None:
        _write_text(folder / str(VERSION) / "no_model.txt", _NO_MODEL)
        _write_text(folder / CONFIG_FILE, print_message(description, config))

    return _write(repository, config.name, fill) / CONFIG_FILE


def write_beside(repository: Path, model: str, name: str, text: str) -> Path:
    """Writes a file into a model's folder, whole or not at all, and updates the checksums."""
    folder = repository / model
    with tempfile.TemporaryDirectory(prefix=".export-", dir=repository) as aside:
        _write_text(Path(aside, name), text)
        os.replace(Path(aside, name), folder / name)
    write_checksums(folder)
    return folder / name


def read_config(repository: Path, model: str) -> ModelConfig | None:
    """Returns the Triton configuration of a model; None if the repository has no such model.

    Raises ValueError when its config.pbtxt cannot be parsed.
    """
    file = repository / model / CONFIG_FILE
    if not file.is_file():
        return None
    try:
        return text_format.Parse(file.read_text(encoding="utf-8"), ModelConfig())
    except text_format.ParseError as error:
        raise ValueError(f"{file}: {error}") from error


def onnx_file(repository: Path, model: str) -> Path:
    """Returns a model's ONNX file; raises FileNotFoundError if the repository has none."""
    path = repository / model / str(VERSION) / "model.onnx"
    if not path.is_file():
        raise FileNotFoundError(f"{repository}: has no model {model}")
    return path


def _write(repository: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """Replaces a model's folder by one that `fill` fills; returns its path."""
    repository.mkdir(parents=True, exist_ok=True)
    place = repository / name
    with tempfile.TemporaryDirectory(prefix=".export-", dir=repository) as aside:
        new, old = Path(aside, "new"), Path(aside, "old")
        (new / str(VERSION)).mkdir(parents=True)
        fill(new)
        if place.exists():
            place.rename(old)
        try:
            new.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
    return place


def _write_text(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
