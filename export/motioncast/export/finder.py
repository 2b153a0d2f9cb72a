"""The face finder -> a model of the repository, `face_finder`, checked like every other.

    python -m motioncast.export.finder --checkpoint face_finder.pt --repository model_repository

It belongs to no configuration: one serves all of them, framing pictures before they are looked at.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import nn

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Exports the finder; returns the exit code, 1 when nothing was written."""
    parser = argparse.ArgumentParser(prog="python -m motioncast.export.finder")
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights, converted")
    parser.add_argument("--repository", type=Path, required=True, help="folder to write to")
    options = parser.parse_args(arguments)
    try:
        print(export_finder(options.checkpoint, options.repository))
    except (OSError, ValueError, ParityError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
