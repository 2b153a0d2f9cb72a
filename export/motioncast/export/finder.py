"""Exports the face finder as the model `face_finder` of a repository, checked like every other.

    python -m motioncast.export.finder --checkpoint face_finder.pt --repository model_repository

It belongs to no configuration: all of them share it for framing pictures before detection.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from torch import nn

from motioncast.data.command_line import Failure, Program
from motioncast.export.exportables import Exportable
from motioncast.export.exporter import build, fingerprint
from motioncast.export.parity import ParityError
from motioncast.export.repository import write_model
from motioncast.export.specification import (
    BATCH,
    GpuServing,
    ModelSpecification,
    TensorSpecification,
    Tolerance,
)
from motioncast.export.wrappers import ServedDetector
from motioncast.framing import FINDER
from motioncast.inference.own_models import user_models
from motioncast.inference.repository import shipped_repository
from motioncast.models.mediapipe.finder import CANDIDATES, PICTURE, VALUES, FaceFinder
from motioncast.models.mediapipe.weights import load_weights

FACES = (BATCH, CANDIDATES, VALUES)


def finder_specification() -> ModelSpecification:
    """Describes the served face finder."""
    return ModelSpecification(
        name=FINDER,
        description="RGB pictures, letterboxed -> the surest candidates for faces, surest first: "
        "score in [0, 1]; centre x, y, width, height, left eye x, y, right eye x, y in [0, 1]",
        inputs=(TensorSpecification("image", "uint8", (BATCH, PICTURE, PICTURE, 3)),),
        outputs=(TensorSpecification("faces", "float32", FACES),),
        tolerances={"faces": Tolerance(1e-4)},
        max_batch_size=64,
        dynamic_batching=False,
        gpu=GpuServing(instances=1, preferred_batch_sizes=(4, 8, 16), tensorrt=False),
    )


def finder_exportable(finder: FaceFinder) -> Exportable:
    """Returns the face finder as served."""
    served: nn.Module = ServedDetector(finder)
    return Exportable(finder_specification(), reference=served, translated=served, rolled_out=False)


def export_finder(checkpoint: Path, repository: Path) -> Path:
    """Writes the finder of a checkpoint to a repository; returns its ONNX file.

    Raises FileNotFoundError or CheckpointError if the checkpoint cannot be read, ParityError if
    the model does not agree with PyTorch.
    """
    finder = FaceFinder()
    load_weights(finder, checkpoint)
    facts = {"checkpoint_sha256": fingerprint(checkpoint)}
    model, _ = build(finder_exportable(finder), facts)
    return write_model(repository, finder_specification(), model)


def add_finder(repository: Path) -> None:
    """Copies the shipped face finder into a repository that has none, atomically.

    Framed models cannot be used without it. The folder of the user's own models needs no copy: it
    is served together with the shipped ones.
    """
    if (repository / FINDER).exists() or repository == user_models():
        return
    with tempfile.TemporaryDirectory(prefix=".finder-", dir=repository) as aside:
        copy = shutil.copytree(shipped_repository() / FINDER, Path(aside, FINDER))
        copy.rename(repository / FINDER)


@dataclass(frozen=True, kw_only=True)
class FinderOptions:
    """The weights to export and the repository to write to."""

    checkpoint: Annotated[
        Path, typer.Option(metavar="FILE", help="converted weights of the face finder")
    ]
    repository: Annotated[Path, typer.Option(metavar="FOLDER", help="model repository to write to")]


def run(options: FinderOptions, command: str) -> None:
    """Exports the finder; raises Failure if nothing was written."""
    try:
        print(export_finder(options.checkpoint, options.repository))
    except (OSError, ValueError, ParityError) as error:
        raise Failure(str(error)) from error


main = Program("python -m motioncast.export.finder", FinderOptions, run, __doc__)


if __name__ == "__main__":
    main()
