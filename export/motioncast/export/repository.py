"""A Triton model repository on disk: every model appears in it whole or not at all.

    <repository>/<model>/config.pbtxt
    <repository>/<model>/1/model.onnx

That is what Triton serves, and what ONNX Runtime in the process reads.
"""

import tempfile
from pathlib import Path

from onnx import ModelProto

from motioncast.export.specification import ModelSpecification
from motioncast.export.triton import VERSION, print_config


def write_model(repository: Path, specification: ModelSpecification, model: ModelProto) -> Path:
    """Writes one model, in the place of an older one of its name, and returns its ONNX file.

    It is written aside and then renamed, so that whoever looks meets the old model or the new one.
    """
    repository.mkdir(parents=True, exist_ok=True)
    place = repository / specification.name
    with tempfile.TemporaryDirectory(prefix=".export-", dir=repository) as aside:
        new, old = Path(aside, "new"), Path(aside, "old")
        onnx_file = new / str(VERSION) / "model.onnx"
        onnx_file.parent.mkdir(parents=True)
        onnx_file.write_bytes(model.SerializeToString(deterministic=True))
        (new / "config.pbtxt").write_text(print_config(specification), encoding="utf-8")
        if place.exists():
            place.rename(old)
        try:
            new.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
    return place / str(VERSION) / "model.onnx"


def onnx_file(repository: Path, model: str) -> Path:
    """Returns the file of a model; raises FileNotFoundError when the repository has none."""
    path = repository / model / str(VERSION) / "model.onnx"
    if not path.is_file():
        raise FileNotFoundError(f"{repository}: has no model {model}")
    return path
