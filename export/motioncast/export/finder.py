"""The face finder -> a model of the repository, `face_finder`, checked like every other.

    python -m motioncast.export.finder --checkpoint face_finder.pt --repository model_repository

It belongs to no configuration: one serves all of them, framing pictures before they are looked at.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from torch import nn

from motioncast.data.command_line import Failure, Program
from motioncast.export.exporter import Exportable, build, fingerprint
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
from motioncast.models.mediapipe.finder import CANDIDATES, PICTURE, VALUES, FaceFinder
from motioncast.models.mediapipe.weights import load_weights

NAME = "face_finder"
FACES = (BATCH, CANDIDATES, VALUES)


def finder_specification() -> ModelSpecification:
    """Describes the served face finder."""
    return ModelSpecification(
        name=NAME,
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
    """Returns the face finder as it is served."""
    served: nn.Module = ServedDetector(finder)
    return Exportable(finder_specification(), reference=served, translated=served, rolled_out=False)


def export_finder(checkpoint: Path, repository: Path) -> Path:
    """Writes the finder of a checkpoint to a repository; returns its ONNX file.

    Raises FileNotFoundError or CheckpointError when the checkpoint cannot be read, ParityError when
    the model does not do what PyTorch does.
    """
    finder = FaceFinder()
    load_weights(finder, checkpoint)
    facts = {"checkpoint_sha256": fingerprint(checkpoint)}
    model, _ = build(finder_exportable(finder), facts)
    return write_model(repository, finder_specification(), model)


@dataclass(frozen=True, kw_only=True)
class FinderOptions:
    """Which weights go into which repository."""

    checkpoint: Annotated[Path, typer.Option(metavar="FILE", help="weights, converted")]
    repository: Annotated[Path, typer.Option(metavar="FOLDER", help="folder to write to")]


def run(options: FinderOptions, command: str) -> None:
    """Exports the finder; Refusal when nothing was written."""
    try:
        print(export_finder(options.checkpoint, options.repository))
    except (OSError, ValueError, ParityError) as error:
        raise Failure(str(error)) from error


main = Program("python -m motioncast.export.finder", FinderOptions, run, __doc__)


if __name__ == "__main__":
    main()
